//! Random histories of a family of processes.

use proptest::prelude::*;

use super::family::{Family, Happening};
use super::{COST, Felt, WITHDRAWALS, What};
use crate::snapshot::TokenKind;

const HOUR: i64 = 3_600_000;
/// Some time after boot.
const START: i64 = 5_000_000;

fn felt() -> impl Strategy<Value = Felt> {
    prop_oneof![Just(Felt::NotYet), Just(Felt::Waiting), Just(Felt::Refused)]
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (0u32..3, felt()).prop_map(|(cause, felt)| Happening::Failed(cause, felt)),
        1 => (0u32..3).prop_map(|cause| Happening::Failed(cause, Felt::Withdrawn)),
        4 => Just(Happening::Succeeded),
        2 => felt().prop_map(Happening::Looked),
    ]
}

fn pause() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 0i64..1_000,
        4 => 1_000i64..60_000,
        2 => 60_000i64..500_000,
        1 => 500_000i64..5_000_000,
    ]
}

fn kind() -> impl Strategy<Value = TokenKind> {
    prop_oneof![Just(TokenKind::Subject), Just(TokenKind::Access)]
}

type Step = (i64, usize, TokenKind, Happening);

fn history(processes: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (pause(), 0..processes, kind(), happening());
    proptest::collection::vec(step, 1..300)
}

fn live(family: &mut Family, steps: &[Step]) {
    for (pause, process, kind, what) in steps {
        family.advance_to(family.now_ms + pause);
        family.happens(*process, *kind, *what);
    }
}

/// Found by `how_it_ends_is_told_at_last`: after ten minutes of silence a failure
/// for which there is no room, and then success.
#[test]
fn a_recovery_is_told_though_the_last_failure_was_not() {
    use Happening::{Failed, Succeeded};
    use TokenKind::{Access, Subject};

    let mut family = Family::new(1, START);
    let mut steps = vec![(0, 0, Subject, Failed(0, Felt::NotYet))];
    // Causes enough to leave no room.
    steps.extend((0..8).map(|cause| (100, 0, Access, Failed(cause, Felt::NotYet))));
    steps[1].0 = 599_000;
    steps.push((1_000, 0, Subject, Failed(0, Felt::NotYet)));
    steps.push((0, 0, Subject, Succeeded));
    live(&mut family, &steps);
    family.advance_to(family.now_ms + 30 * 60_000);
    let told = family.said.iter().rfind(|it| it.kind == Subject);
    assert_eq!(told.map(|it| it.report.what), Some(What::Recovered));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_family_ever_says_more_than_its_budget(steps in history(8)) {
        let mut family = Family::new(8, START);
        live(&mut family, &steps);
        prop_assert!(family.most_within(HOUR) <= 39, "{:?}", family.said);
        prop_assert!(family.most_within(600_000) <= 14, "{:?}", family.said);
        let withdrawn = family.said.iter().any(|it| it.report.felt == Some(Felt::Withdrawn));
        prop_assert!(withdrawn || family.most_within(600_000) <= 11, "{:?}", family.said);
    }

    #[test]
    fn the_first_failure_is_reported_at_once(steps in history(8)) {
        let mut family = Family::new(8, START);
        for step in steps {
            live(&mut family, &[step]);
            if let Happening::Failed(_, felt) = step.3 {
                let first = family.said[0];
                prop_assert_eq!(family.said.len(), 1);
                prop_assert_eq!((first.at_ms, first.process, first.kind), (family.now_ms, step.1, step.2));
                prop_assert_eq!((first.report.what, first.report.felt), (What::Began, Some(felt)));
                prop_assert_eq!((first.report.failures, first.report.unsaid), (1, 0));
                return Ok(());
            }
        }
        prop_assert!(family.said.is_empty());
    }

    /// One process and one token, so that nobody else may have said it.
    #[test]
    fn a_change_is_reported_at_once_while_there_is_room(steps in history(1)) {
        let mut family = Family::new(1, START);
        let mut before: Option<(Option<u32>, Option<Felt>)> = None;
        for (pause, process, _, what) in steps {
            family.advance_to(family.now_ms + pause);
            let is_failing = before.is_some_and(|(cause, _)| cause.is_some());
            let after = match what {
                Happening::Failed(cause, felt) => (Some(cause), Some(felt)),
                Happening::Succeeded => (None, None),
                Happening::Looked(felt) if is_failing => (before.unwrap().0, Some(felt)),
                Happening::Looked(_) => continue,
            };
            // That it is felt less is none while the cause is the same.
            let worst = before.filter(|(cause, _)| *cause == after.0).and_then(|it| it.1);
            let said = family.said.len();
            let long_ago = family.now_ms - WITHDRAWALS * COST;
            let has_room = family.said.iter().all(|it| it.at_ms < long_ago);
            family.happens(process, TokenKind::Subject, what);
            let is_news = match before {
                None => after.0.is_some(),
                Some((cause, _)) if cause != after.0 => true,
                Some(_) => after.1 > worst,
            };
            if is_news && has_room {
                prop_assert_eq!(family.said.len(), said + 1);
                prop_assert_eq!(family.said[said].report.felt, after.1);
            }
            // Where there was no room, something worse may stand there from before.
            let is_told = !is_news || family.said.len() > said;
            let worst = if is_told { after.1.max(worst) } else { Some(Felt::Withdrawn) };
            before = Some((after.0, worst));
        }
    }

    #[test]
    fn how_it_ends_is_told_at_last(steps in history(1)) {
        let mut family = Family::new(1, START);
        live(&mut family, &steps);
        family.advance_to(family.now_ms + 30 * 60_000);
        prop_assert_eq!(family.wait(), None, "nothing is left to say");
        for kind in [TokenKind::Subject, TokenKind::Access] {
            let mut attempts = steps.iter().filter(|step| step.2 == kind);
            let last = attempts.rfind(|step| !matches!(step.3, Happening::Looked(_)));
            let told = family.said.iter().rfind(|it| it.kind == kind);
            match (last.map(|step| step.3), told) {
                (Some(Happening::Failed(..)), Some(told)) => {
                    prop_assert!(told.report.felt.is_some(), "{told:?}");
                }
                (Some(Happening::Failed(..)), None) => prop_assert!(false, "never told"),
                (_, told) => prop_assert!(told.is_none_or(|it| it.report.felt.is_none()), "{told:?}"),
            }
        }
    }
}
