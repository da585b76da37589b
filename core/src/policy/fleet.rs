//! Fleets of simulated clients, with the very code of the policy: how many
//! exchanges per second a token endpoint sees.
//!
//! `a_fleet_that_starts_at_once_spreads_out` is the promise. `draw` (`make
//! fleet`) compares a million clients with the fixed buffers of today's SDKs.

use std::fmt::Write as _;

use super::{Demand, Outcome, Rules, State, Step};
use crate::clock::Now;
use crate::error::FailureClass;
use crate::random::Seeded;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// Of one exchange. Fetches are local and take no time here.
const LATENCY: i64 = 200;

#[derive(Clone, Copy)]
struct Scenario {
    clients: usize,
    duration: i64,
    svid_life: i64,
    /// The endpoint answers 503 from here to there.
    outage: Option<(i64, i64)>,
}

impl Scenario {
    fn is_down(&self, at: i64) -> bool {
        self.outage
            .is_some_and(|(from, to)| (from..to).contains(&at))
    }
}

/// A client in the simulation: told the time, it says what it does and when it
/// wants to be told again.
trait Client {
    /// Whether an exchange is sent now, and when to come back.
    fn step(&mut self, now: i64, scenario: &Scenario, random: &mut Seeded) -> (bool, i64);
    /// Whether its user would be without a token now.
    fn is_without(&self, now: i64) -> bool;
}

/// svidex, with a user that reads all the time and an agent that always has
/// the next SVID from half of the life of the one before.
struct Svidex {
    state: State,
    minted: i64,
    sent: Option<(i64, super::Held)>,
}

impl Svidex {
    fn new() -> Self {
        Self {
            state: State::new(Rules {
                refresh_buffer_ms: 20 * MINUTE,
                access_from_file: false,
            }),
            minted: i64::MIN / 2,
            sent: None,
        }
    }
}

impl Client for Svidex {
    fn step(&mut self, at: i64, scenario: &Scenario, random: &mut Seeded) -> (bool, i64) {
        let now = Now { wall: at, boot: at };
        if let Some((sent, subject)) = self
            .sent
            .take_if(|(sent, _)| sent.saturating_add(LATENCY) <= at)
        {
            let outcome = if scenario.is_down(sent) {
                Outcome::ExchangeFailed {
                    class: FailureClass::Transient,
                    retry_after_ms: None,
                    subject_rejected: false,
                    not_yet_ms: None,
                }
            } else {
                Outcome::Exchanged {
                    sent: Now {
                        wall: sent,
                        boot: sent,
                    },
                    expires_in_ms: Some(HOUR),
                    subject,
                    endpoint_wall_ms: None,
                }
            };
            self.state.apply(now, &outcome, random.next());
        }
        let access = self.state.access.held;
        let usable = access.is_some_and(|held| held.is_usable(now));
        let demand = Demand {
            access_read: usable,
            access_asked: !usable,
            ..Demand::default()
        };
        self.state.note(demand, now);
        loop {
            let step = self.state.plan(now);
            self.state.started(step);
            match step {
                Step::FetchSubject => {
                    let same = at - self.minted < scenario.svid_life / 2;
                    if !same {
                        self.minted = at;
                    }
                    let left = self.minted + scenario.svid_life - at;
                    let outcome = Outcome::Fetched {
                        received: now,
                        life_ms: left,
                        exp_ms: at + left,
                        same: same && self.state.subject.held.is_some(),
                    };
                    self.state.apply(now, &outcome, random.next());
                }
                Step::Exchange => {
                    let subject = self.state.subject.held.expect("an exchange needs an SVID");
                    self.sent = Some((at, subject));
                    return (true, at + LATENCY);
                }
                Step::SleepMs(duration) => {
                    let answer = self.sent.map_or(i64::MAX, |(sent, _)| sent + LATENCY);
                    return (false, answer.min(at + duration));
                }
                Step::Idle => {
                    let answer = self.sent.map_or(i64::MAX, |(sent, _)| sent + LATENCY);
                    return (false, answer);
                }
            }
        }
    }

    fn is_without(&self, now: i64) -> bool {
        let now = Now {
            wall: now,
            boot: now,
        };
        !self
            .state
            .access
            .held
            .is_some_and(|held| held.is_usable(now))
    }
}

/// A fixed buffer before the end, checked at each request: what today's SDKs
/// do. A failed renewal is tried again by the next request.
struct FixedBuffer {
    /// Of the life, for the SDKs that cap it.
    longest_share: f64,
    ends: i64,
    life: i64,
    request_every: i64,
    first_request: i64,
}

impl FixedBuffer {
    fn new(longest_share: f64, random: &mut Seeded) -> Self {
        Self {
            longest_share,
            ends: 0,
            life: 0,
            request_every: 5 * SECOND,
            // A fleet that starts at once still has some seconds between its requests.
            first_request: super::scale(5 * SECOND, random.next()),
        }
    }
}

impl Client for FixedBuffer {
    fn step(&mut self, at: i64, scenario: &Scenario, _random: &mut Seeded) -> (bool, i64) {
        if at < self.first_request {
            return (false, self.first_request);
        }
        let buffer = (20 * MINUTE).min(super::scale(self.life, self.longest_share));
        if at < self.ends - buffer {
            // The first request on or after the moment it is due.
            let wait = self.ends - buffer - at;
            return (
                false,
                at + (wait + self.request_every - 1) / self.request_every * self.request_every,
            );
        }
        if !scenario.is_down(at) {
            self.life = scenario.svid_life.min(HOUR);
            self.ends = at + self.life;
        }
        (true, at + self.request_every)
    }

    fn is_without(&self, now: i64) -> bool {
        now >= self.ends
    }
}

/// Exchanges in each second.
fn simulate<C: Client>(scenario: &Scenario, mut new: impl FnMut(&mut Seeded) -> C) -> Vec<u32> {
    let mut random = Seeded(0x9E37_79B9_7F4A_7C15);
    let seconds = usize::try_from(scenario.duration / SECOND).unwrap();
    let mut clients: Vec<C> = (0..scenario.clients).map(|_| new(&mut random)).collect();
    let mut due: Vec<Vec<(i64, u32)>> = vec![Vec::new(); seconds];
    due[0] = (0..u32::try_from(clients.len()).unwrap())
        .map(|client| (0, client))
        .collect();
    let mut exchanges = vec![0; seconds];
    for second in 0..seconds {
        // A client may come back within its second: until the list is empty.
        while let Some((at, client)) = due[second].pop() {
            let (exchanged, next) = clients[client as usize].step(at, scenario, &mut random);
            exchanges[second] += u32::from(exchanged);
            assert!(next > at, "a client that does not move on");
            if let Some(list) = due.get_mut(usize::try_from(next / SECOND).unwrap_or(usize::MAX)) {
                list.push((next, client));
            }
        }
    }
    let without = clients
        .iter()
        .filter(|client| client.is_without(scenario.duration - 1))
        .count();
    assert_eq!(without, 0, "clients without a token at the end");
    exchanges
}

fn share_of(count: u32, clients: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let clients = clients as f64;
    f64::from(count) / clients
}

/// Acceptance: 10,000 clients that start at once, tokens of an hour: after the
/// first hour no second carries more than 1 % of them.
#[test]
fn a_fleet_that_starts_at_once_spreads_out() {
    let scenario = Scenario {
        clients: 10_000,
        duration: 3 * HOUR,
        svid_life: HOUR,
        outage: None,
    };
    let exchanges = simulate(&scenario, |_| Svidex::new());
    assert_eq!(exchanges[0], 10_000, "all of them start at once");
    let peak = *exchanges[3_600..].iter().max().unwrap();
    assert!(
        share_of(peak, scenario.clients) <= 0.01,
        "{peak} exchanges in one second"
    );
}

/// After an outage of ten minutes that catches every client on its way to
/// renew, they come back spread out too.
#[test]
fn a_fleet_comes_back_from_an_outage_spread_out() {
    let scenario = Scenario {
        clients: 10_000,
        duration: 3 * HOUR,
        svid_life: HOUR,
        outage: Some((38 * MINUTE, 48 * MINUTE)),
    };
    let exchanges = simulate(&scenario, |_| Svidex::new());
    let peak = *exchanges[48 * 60..].iter().max().unwrap();
    assert!(
        share_of(peak, scenario.clients) <= 0.05,
        "{peak} exchanges in one second"
    );
}

/// `make fleet`: a table on standard output, and a plot in the directory named
/// by `SVIDEX_FLEET_DIR`.
#[test]
#[ignore = "a simulation to look at, run by `make fleet`"]
#[allow(clippy::print_stdout, reason = "its result is what it prints")]
fn draw() {
    let directory = std::env::var("SVIDEX_FLEET_DIR").expect("SVIDEX_FLEET_DIR names a directory");
    std::fs::create_dir_all(&directory).unwrap();
    println!(
        "{:<9} {:<28} {:<22} {:>9} {:>12} {:>12} {:>12}",
        "clients", "scenario", "policy", "total", "peak/s all", "peak/s >1 h", "of fleet"
    );
    for clients in [10_000, 1_000_000] {
        for (name, svid_life, outage) in [
            ("1-hour SVIDs, at once", HOUR, None),
            (
                "1-hour SVIDs, 10 min outage",
                HOUR,
                Some((38 * MINUTE, 48 * MINUTE)),
            ),
            ("5-minute SVIDs, at once", 5 * MINUTE, None),
            (
                "5-minute SVIDs, 10 min outage",
                5 * MINUTE,
                Some((38 * MINUTE, 48 * MINUTE)),
            ),
        ] {
            let scenario = Scenario {
                clients,
                duration: 3 * HOUR,
                svid_life,
                outage,
            };
            let mut lines = vec![("svidex", simulate(&scenario, |_| Svidex::new()))];
            // Fixed buffers cost a step a request: a sample of the fleet stands
            // for the rest, its clients being independent of each other.
            let sample = Scenario {
                clients: 10_000,
                ..scenario
            };
            let factor = u32::try_from(clients / sample.clients).unwrap();
            for (name, share) in [
                ("fixed buffer, half life", 0.5),
                ("fixed buffer, 20 min", 1.0),
            ] {
                let mut line = simulate(&sample, |random| FixedBuffer::new(share, random));
                line.iter_mut().for_each(|count| *count *= factor);
                lines.push((name, line));
            }
            for (policy, exchanges) in &lines {
                let total: u64 = exchanges.iter().copied().map(u64::from).sum();
                let peak = *exchanges[1..].iter().max().unwrap();
                let late = *exchanges[3_600..].iter().max().unwrap();
                println!(
                    "{clients:<9} {name:<28} {policy:<22} {total:>9} {peak:>12} {late:>12} {:>11.2}%",
                    100.0 * share_of(late, clients)
                );
            }
            let file = format!(
                "{clients}-{}.svg",
                name.replace([' ', ','], "-").replace("--", "-")
            );
            let title = format!("{clients} clients, {name}: exchanges per second");
            std::fs::write(format!("{directory}/{file}"), plot(&title, &lines, outage)).unwrap();
        }
    }
    println!("plots: {directory}/*.svg");
}

/// One curve a policy, the highest second of each ten, on a logarithmic scale.
fn plot(title: &str, lines: &[(&str, Vec<u32>)], outage: Option<(i64, i64)>) -> String {
    const WIDTH: f64 = 960.0;
    const HEIGHT: f64 = 360.0;
    const LEFT: f64 = 70.0;
    const TOP: f64 = 50.0;
    let seconds = lines[0].1.len();
    let top = lines
        .iter()
        .flat_map(|(_, line)| line)
        .max()
        .copied()
        .unwrap_or(1)
        .max(10);
    let decades = f64::from(top).log10().ceil();
    #[allow(clippy::cast_precision_loss, reason = "seconds of three hours")]
    let x = |second: usize| LEFT + WIDTH * second as f64 / seconds as f64;
    let y = |count: f64| TOP + HEIGHT * (1.0 - count.max(1.0).log10() / decades);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"28\" font-size=\"16\">{title}</text>\n",
        WIDTH + LEFT + 30.0,
        HEIGHT + TOP + 70.0
    );
    if let Some((from, to)) = outage {
        let at = |time: i64| x(usize::try_from(time / SECOND).unwrap());
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{HEIGHT}\" fill=\"#eee\"/>",
            at(from),
            at(to) - at(from)
        );
    }
    let mut decade = 0.0;
    while decade <= decades {
        let height = y(10f64.powf(decade));
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {height:.1}h{WIDTH}\" stroke=\"#ccc\"/><text x=\"{}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            height + 4.0,
            10f64.powf(decade)
        );
        decade += 1.0;
    }
    for minute in (0..=seconds / 60).step_by(20) {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{minute} min</text>",
            x(minute * 60),
            TOP + HEIGHT + 20.0
        );
    }
    // The most even curve on top.
    for ((name, line), (color, place)) in lines
        .iter()
        .zip([("#0a7", 0.0), ("#d62", 1.0), ("#36c", 2.0)])
        .rev()
    {
        let mut path = String::new();
        for (number, window) in line.chunks(10).enumerate() {
            let highest = f64::from(window.iter().max().copied().unwrap_or(0));
            let command = if number == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.1}", x(number * 10), y(highest));
        }
        let _ = writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\"/>");
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" fill=\"{color}\">{name}</text>",
            LEFT + 230.0 * place,
            TOP + HEIGHT + 48.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}
