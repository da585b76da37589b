//! A token is served to the user that fetched it: forks and changes of user in
//! every order.

use serde_json::json;
use svidex::{Provider, TokenKind};

use super::child::{Birth, Child};
use super::support::{emulator, get, report};
use super::{KINDS, one_at_a_time, provider, tokens};

const NOBODY: u32 = 65_534;
/// So many steps lie between the one who fetched and the one who reads.
const DEPTH: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    Born(Birth),
    Become(Change),
}

/// All of them can be undone, so that a process may become again what it was.
#[derive(Clone, Copy, Debug)]
enum Change {
    User,
    Group,
    Back,
}

const STEPS: [Step; 6] = [
    Step::Born(Birth::Fork),
    Step::Born(Birth::PlainFork),
    Step::Born(Birth::Clone),
    Step::Become(Change::User),
    Step::Become(Change::Group),
    Step::Become(Change::Back),
];

impl Change {
    fn make(self) {
        // SAFETY: calls that take a number, in a process that a test made for this.
        unsafe {
            match self {
                Self::User => assert_eq!(libc::seteuid(NOBODY), 0),
                Self::Group => {
                    // Nobody may not: as root, and back.
                    let user = libc::geteuid();
                    assert_eq!(libc::seteuid(0), 0);
                    assert_eq!(libc::setegid(NOBODY), 0);
                    assert_eq!(libc::seteuid(user), 0);
                }
                Self::Back => {
                    assert_eq!(libc::seteuid(0), 0);
                    assert_eq!(libc::setegid(0), 0);
                }
            }
        }
    }
}

fn is_the_one_who_fetched() -> bool {
    rustix::process::geteuid().is_root() && rustix::process::getegid().is_root()
}

/// Takes the steps, and reads after the last of them or after each.
fn walk(provider: &Provider, steps: &[Step], reads: bool, lost: bool) -> Result<String, String> {
    let lost = lost || (reads && !is_the_one_who_fetched());
    if reads || steps.is_empty() {
        let served = KINDS.map(|kind| provider.cached(kind).is_some());
        let status = provider.status();
        let shown = [
            status.subject_token.is_some(),
            status.access_token.is_some(),
        ];
        let expected = [is_the_one_who_fetched() && !lost; 2];
        if served != expected || shown != expected {
            return Err(format!("{served:?} {shown:?}, {} steps to go", steps.len()));
        }
    }
    match steps {
        [] => Ok(String::new()),
        [Step::Born(birth), rest @ ..] => {
            let child = Child::born(*birth, || walk(provider, rest, reads, lost));
            child.outcome().0
        }
        [Step::Become(change), rest @ ..] => {
            change.make();
            walk(provider, rest, reads, lost)
        }
    }
}

fn sequences(depth: usize) -> Vec<Vec<Step>> {
    let mut all = vec![vec![]];
    for length in 1..=depth {
        let shorter: Vec<_> = (all.iter().filter(|it: &&Vec<_>| it.len() == length - 1))
            .cloned()
            .collect();
        for steps in shorter {
            all.extend(STEPS.map(|step| steps.iter().copied().chain([step]).collect()));
        }
    }
    all
}

#[test]
fn a_token_is_served_to_the_user_that_fetched_it_and_to_nobody_else() {
    let _turn = one_at_a_time();
    if !is_the_one_who_fetched() {
        return report("skipped: only root can become somebody else");
    }
    let emulator = emulator(&json!({}));
    let provider = provider(emulator.info());
    tokens(&provider).expect("a warm parent");
    let sequences = sequences(DEPTH);
    for steps in &sequences {
        for reads in [false, true] {
            // This process keeps what it is; the first step is a child's.
            let child = Child::fork(|| walk(&provider, steps, reads, false));
            let (outcome, _) = child.outcome();
            assert_eq!(outcome, Ok(String::new()), "{steps:?}, reads: {reads}");
        }
    }
    report(&format!("{} sequences, each twice", sequences.len()));
    assert!(provider.cached(TokenKind::Access).is_some(), "the parent's");
}

#[test]
fn who_becomes_somebody_else_fetches_anew() {
    let _turn = one_at_a_time();
    if !is_the_one_who_fetched() {
        return report("skipped: only root can become somebody else");
    }
    let emulator = emulator(&json!({"svid_repeat": false}));
    let child = Child::fork(|| {
        let provider = provider(emulator.info());
        let before = tokens(&provider)?;
        Change::Group.make();
        // No fork: the next look at more than the snapshot sees it.
        if provider.status().subject_token.is_some() {
            return Err("it shows another's token".into());
        }
        for (kind, before) in KINDS.into_iter().zip(before) {
            let token = get(&provider, kind).map_err(|error| error.to_string())?;
            if token.expose_secret() == before {
                return Err(format!("{kind:?}: another's"));
            }
        }
        match provider.status().last_error {
            Some(error) => Err(format!("an attempt failed: {}", error.message)),
            None => Ok(String::new()),
        }
    });
    child.join();
}
