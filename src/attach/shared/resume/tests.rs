use proptest::prelude::*;

use super::*;

const A: &str = "scraping/1";
const B: &str = "downloads/b";
const X: &str = "tasks/x";

fn resume(names: &[&str]) -> Resume {
    Resume::new(names.iter().map(|name| (*name).to_owned()))
}

/// Opens a connection whose request names the first group, and gives the groups by name.
fn open(resume: &mut Resume) -> Vec<(Vec<String>, Option<String>)> {
    let (groups, _) = resume.opening(|_| false);
    if let Some(first) = groups.first() {
        resume.opened_with(&first.targets);
    }
    let names = |group: &Group| group.targets.iter().map(|at| resume.name(*at).to_owned()).collect();
    groups.iter().map(|group| (names(group), group.since.clone())).collect()
}

fn texts(items: Items) -> Vec<String> {
    items
        .into_iter()
        .map(|(name, item)| match item {
            Item::Event { text, when: When::Live } => format!("{name} {text}"),
            Item::Event { text, when } => format!("{name} {text} {when:?}"),
            Item::Ended(outcome) => format!("{name} {}", outcome.as_str()),
        })
        .collect()
}

fn live(resume: &mut Resume, name: &str, text: &str, cursor: Option<&str>) -> Vec<String> {
    texts(resume.event(name, (text, false), cursor, || text.starts_with('p'), Instant::now()))
}

fn state(resume: &mut Resume, name: &str, text: &str) -> Vec<String> {
    texts(resume.event(name, (text, true), None, || false, Instant::now()))
}

fn group(names: &[&str], since: Option<&str>) -> (Vec<String>, Option<String>) {
    (names.iter().map(|name| (*name).to_owned()).collect(), since.map(str::to_owned))
}

#[test]
fn all_targets_go_on_with_the_last_cursor() {
    let mut resume = resume(&[A, B]);
    assert_eq!(open(&mut resume), [group(&[A, B], None)]);
    assert_eq!(state(&mut resume, A, "1"), [format!("{A} 1 First")]);
    assert_eq!(state(&mut resume, A, "2"), [format!("{A} 2 Opening")]);
    resume.watching([A, B].into_iter(), Some("c1"));
    assert_eq!(live(&mut resume, B, "3", Some("c2")), [format!("{B} 3")]);
    resume.cursor("c3");
    assert_eq!(open(&mut resume), [group(&[A, B], Some("c3"))]);
    assert_eq!(
        live(&mut resume, B, "3", Some("c4")),
        [format!("{B} 3")],
        "news that reads like the last one"
    );
}

#[test]
fn what_came_without_a_cursor_is_not_shown_again() {
    let mut resume = resume(&[A, B, X]);
    open(&mut resume);
    // One target is looked up all the while, so that no cursor comes.
    state(&mut resume, A, "a0");
    assert_eq!(live(&mut resume, A, "a1", None).len(), 1);
    assert_eq!(live(&mut resume, A, "a2", None).len(), 1);
    assert_eq!(open(&mut resume), [group(&[B, X], None), group(&[A], Some("0"))]);
    resume.watching([A, B, X].into_iter(), None);
    let mut shown = Vec::new();
    for text in ["older", "a0", "a1", "a2", "a3"] {
        shown.extend(live(&mut resume, A, text, None));
    }
    assert_eq!(shown, [format!("{A} a3")]);
    // Again, before a cursor has come: both of what was shown on the first and on the second connection are known.
    open(&mut resume);
    resume.watching([A].into_iter(), None);
    let again: Vec<_> = ["a1", "a2", "a3", "a4"].iter().flat_map(|t| live(&mut resume, A, t, None)).collect();
    assert_eq!(again, [format!("{A} a4")]);
    resume.watching([A, B, X].into_iter(), Some("c1"));
    assert_eq!(open(&mut resume), [group(&[A, B, X], Some("c1"))]);
}

#[test]
fn an_older_cursor_repeats_nothing_that_was_shown_behind_it() {
    let mut resume = resume(&[A, X]);
    open(&mut resume);
    resume.watching([A, X].into_iter(), Some("c1"));
    resume.refused(1);
    // The other target is looked up again, and events of the first come without a cursor.
    assert_eq!(resume.again(1), Group { targets: vec![1], since: Some("c1".into()) });
    live(&mut resume, A, "m1", None);
    live(&mut resume, A, "m2", None);
    assert_eq!(open(&mut resume), [group(&[A, X], Some("c1"))]);
    let shown: Vec<_> =
        ["m1", "p", "m2", "m3", "p"].iter().flat_map(|text| live(&mut resume, A, text, Some("c2"))).collect();
    assert_eq!(shown, [format!("{A} m3"), format!("{A} p")]);
}

#[test]
fn a_target_that_the_relay_left_goes_on_where_it_left_it() {
    let mut resume = resume(&[A, X]);
    open(&mut resume);
    resume.watching([A, X].into_iter(), Some("c1"));
    resume.refused(1);
    live(&mut resume, A, "m1", Some("c2"));
    assert_eq!(open(&mut resume), [group(&[A], Some("c2")), group(&[X], Some("c1"))]);
    // A cursor that came before the relay read the message says nothing of that target.
    live(&mut resume, A, "m2", Some("c3"));
    assert_eq!(open(&mut resume), [group(&[A], Some("c3")), group(&[X], Some("c1"))]);
    resume.watching([A, X].into_iter(), Some("c4"));
    assert_eq!(open(&mut resume), [group(&[A, X], Some("c4"))]);
}

#[test]
fn a_cursor_does_not_pass_over_a_target_that_waits_to_be_watched() {
    let mut resume = resume(&[A, B]);
    open(&mut resume);
    resume.watching([A, B].into_iter(), Some("c1"));
    let (groups, _) = resume.opening(|_| false);
    // The request has room for one of them.
    resume.opened_with(&groups[0].targets[..1]);
    assert_eq!(live(&mut resume, A, "m1", Some("c2")).len(), 1);
    assert_eq!(open(&mut resume), [group(&[A, B], Some("c1"))], "b has missed what lies between");
    assert!(live(&mut resume, A, "m1", Some("c2")).is_empty(), "but a has shown it");
}

#[test]
fn an_ending_waits_for_what_was_missed_and_not_for_ever() {
    let mut resume = resume(&[A]);
    open(&mut resume);
    let ended = |resume: &mut Resume| texts(resume.ended(A, Outcome::Succeeded, Instant::now()));
    assert_eq!(ended(&mut resume), [format!("{A} succeeded")], "on the first connection nothing is missing");
    resume.watching([A].into_iter(), Some("c1"));
    open(&mut resume);
    assert!(ended(&mut resume).is_empty());
    assert_eq!(live(&mut resume, A, "m1", Some("c2")), [format!("{A} m1")]);
    let items = resume.watching([A].into_iter(), Some("c3"));
    assert_eq!(texts(items), [format!("{A} succeeded")]);
    open(&mut resume);
    assert!(ended(&mut resume).is_empty());
    assert!(resume.overdue(Instant::now()).is_empty());
    assert_eq!(texts(resume.overdue(Instant::now() + PATIENCE)), [format!("{A} succeeded")]);
}

#[test]
fn behind_a_gap_the_state_counts_and_jobs_of_a_pattern_are_asked_for() {
    let mut resume = resume(&["scraping/*", A, X]);
    open(&mut resume);
    state(&mut resume, A, "s");
    state(&mut resume, "scraping/2", "s2");
    state(&mut resume, "scraping/3", "s3");
    resume.watching(["scraping/*", A, X].into_iter(), Some("c1"));
    live(&mut resume, "scraping/3", "end", Some("c2"));
    resume.ended("scraping/3", Outcome::Succeeded, Instant::now());
    open(&mut resume);
    assert_eq!(resume.gap(None, Some("d1")), ["scraping/2"]);
    assert_eq!(state(&mut resume, A, "s"), [format!("{A} s Again")]);
    assert_eq!(state(&mut resume, "scraping/2", "s2"), ["scraping/2 s2 Again"]);
    assert_eq!(state(&mut resume, "scraping/4", "s4"), ["scraping/4 s4 First"]);
    assert_eq!(open(&mut resume), [group(&["scraping/*", A, X], Some("d1"))]);
    assert!(state(&mut resume, "downloads/z", "s").is_empty(), "nobody asked for it");
}

#[test]
fn a_target_that_may_be_waited_for_is_watched_once_the_others_have_a_cursor() {
    let mut resume = resume(&[A, X]);
    let is_slow = |target| target == 1;
    let (groups, later) = resume.opening(is_slow);
    assert_eq!((groups[0].targets.clone(), later), (vec![0], vec![1]));
    resume.opened_with(&[0]);
    resume.watching([A].into_iter(), Some("c1"));
    assert_eq!(resume.again(1), Group { targets: vec![1], since: None });
    live(&mut resume, A, "m1", None);
    let (groups, later) = resume.opening(is_slow);
    assert_eq!((groups[0].since.as_deref(), later), (Some("c1"), vec![1]));
    // Alone it waits for nothing else.
    resume.over(0);
    assert_eq!(resume.opening(is_slow).1, [0_usize; 0]);
}

/// A relay that keeps everything, with one target that is looked up for a while after each opening.
struct Relay {
    log: Vec<(usize, u32)>,
    cursors: bool,
}

proptest! {
    /// Milestones come once and in order, wherever the connection is cut and whatever cursors there were.
    #[test]
    fn no_milestone_is_missed_or_shown_twice(
        steps in proptest::collection::vec((0..3_usize, 0..4_u8), 1..120),
    ) {
        let names = [A, B, "tasks/y"];
        let mut resume = resume(&[A, B, "tasks/y", X]);
        let mut relay = Relay { log: Vec::new(), cursors: false };
        let mut shown: [Vec<String>; 3] = Default::default();
        let put = |shown: &mut [Vec<String>; 3], items: Vec<String>| for item in items {
            let (name, text) = item.split_once(' ').unwrap();
            shown[names.iter().position(|known| *known == name).unwrap()].push(text.to_owned());
        };
        open(&mut resume);
        for (number, (target, what)) in steps.into_iter().enumerate() {
            let number = u32::try_from(number).unwrap();
            match what {
                // An event while connected.
                0 | 1 => {
                    relay.log.push((target, number));
                    let cursor = relay.cursors.then(|| relay.log.len().to_string());
                    put(&mut shown, live(&mut resume, names[target], &number.to_string(), cursor.as_deref()));
                }
                // The target in question is found.
                2 => {
                    let all = names.iter().copied().chain([X]);
                    let items = resume.watching(all, Some(&relay.log.len().to_string()));
                    put(&mut shown, texts(items));
                    relay.cursors = true;
                }
                // A cut, and an event meanwhile.
                _ => {
                    relay.log.push((target, number));
                    relay.cursors = false;
                    let groups = open(&mut resume);
                    let all = names.iter().copied().chain([X]);
                    resume.watching(all, None);
                    for (group, since) in groups {
                        for name in group.iter().filter(|name| *name != X) {
                            let target = names.iter().position(|known| known == name).unwrap();
                            let since: usize = since.as_deref().map_or(0, |since| since.parse().unwrap());
                            for (of, number) in &relay.log[since..] {
                                if *of == target {
                                    let text = number.to_string();
                                    put(&mut shown, live(&mut resume, name, &text, None));
                                }
                            }
                        }
                    }
                }
            }
        }
        let items = resume.watching(names.iter().copied().chain([X]), Some("9999"));
        put(&mut shown, texts(items));
        for (target, shown) in shown.iter().enumerate() {
            let of = relay.log.iter().filter(|(of, _)| *of == target);
            let expected: Vec<String> = of.map(|(_, number)| number.to_string()).collect();
            prop_assert_eq!(shown, &expected);
        }
    }
}

#[test]
fn a_job_that_was_told_to_be_watched_goes_on_at_the_beginning_although_no_cursor_came() {
    let mut resume = resume(&[A, B]);
    open(&mut resume);
    resume.watching([A, B].into_iter(), None);
    resume.promise(0);
    assert_eq!(open(&mut resume), [group(&[B], None), group(&[A], Some("0"))]);
    assert_eq!(live(&mut resume, A, "1", None), [format!("{A} 1")], "it was missed");
    resume.watching([A, B].into_iter(), Some("c1"));
    assert_eq!(open(&mut resume), [group(&[A, B], Some("c1"))]);
}
