use super::*;
use crate::api::beat::LONGEST_BODY;
use crate::runtime::clock::{Clock, SystemClock};

const PACE: Duration = Duration::from_secs(20);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn an_agent_that_posts_is_well_for_an_interval_and_a_half() {
    let start = SystemClock.monotonic();
    let mut sight = Sight::new(Source::Own, start);
    sight.begin(start + seconds(5));
    let never = sight.report(PACE, start + seconds(12));
    assert_eq!((never.agent, never.silent_seconds, never.ever_healthy), (Seen::Silent, 7, false));
    sight.posted(Post::default(), start + seconds(100));
    for (after, agent, silent) in
        [(0, Seen::Healthy, 0), (30, Seen::Healthy, 0), (31, Seen::Silent, 31), (500, Seen::Silent, 500)]
    {
        let beat = sight.report(PACE, start + seconds(100 + after));
        assert_eq!((beat.agent, beat.silent_seconds, beat.ever_healthy), (agent, silent, true), "after {after} s");
    }
    sight.posted(Post::default(), start + seconds(700));
    assert_eq!(sight.report(PACE, start + seconds(701)).agent, Seen::Healthy);
}

#[test]
fn an_answer_may_take_its_time() {
    let start = SystemClock.monotonic();
    let mut sight = Sight::new(Source::Http(seconds(5)), start);
    // What it posts is passed on, but does not show that it answers.
    sight.posted(Post { status: Some("busy".into()), ..Post::default() }, start);
    assert_eq!(sight.report(PACE, start).agent, Seen::Silent);
    assert_eq!(sight.report(PACE, start).status.as_deref(), Some("busy"));
    sight.answered(start);
    assert_eq!(sight.report(PACE, start + seconds(35)).agent, Seen::Healthy);
    assert_eq!(sight.report(PACE, start + seconds(36)).silent_seconds, 36);
}

#[test]
fn a_process_is_never_said_to_be_silent() {
    let start = SystemClock.monotonic();
    let mut sight = Sight::new(Source::Process, start);
    sight.posted(Post { cycle: Some(3), ..Post::default() }, start);
    let beat = sight.report(PACE, start + seconds(9000));
    assert_eq!((beat.agent, beat.silent_seconds, beat.cycle, beat.ever_healthy), (Seen::Unobserved, 0, Some(3), false));
}

#[test]
fn busy_runs_out_and_what_is_left_out_stays() {
    let start = SystemClock.monotonic();
    let mut sight = Sight::new(Source::Own, start);
    sight.posted(Post { task: Some("t".into()), busy_seconds: Some(60), ..Post::default() }, start);
    sight.posted(Post { cycle: Some(1), ..Post::default() }, start + seconds(1));
    let beat = sight.report(PACE, start + seconds(10));
    assert_eq!((beat.task.as_deref(), beat.cycle, beat.busy_seconds), (Some("t"), Some(1), Some(50)));
    assert_eq!(sight.report(PACE, start + seconds(61)).busy_seconds, Some(0));
    sight.posted(Post { busy_seconds: Some(0), ..Post::default() }, start + seconds(11));
    assert_eq!(sight.report(PACE, start + seconds(12)).busy_seconds, Some(0));
}

#[test]
fn the_longest_report_is_one_that_the_gateway_reads() {
    let start = SystemClock.monotonic();
    let mut sight = Sight::new(Source::Own, start);
    for character in ["\u{10ffff}", "\"", "\\"] {
        let text = || Some(crate::api::beat::kept(&character.repeat(300)));
        let post = Post { status: text(), cycle: Some(u64::MAX), task: text(), provider: text(), busy_seconds: Some(86_400) };
        sight.posted(post, start);
        let beat = sight.report(PACE, start + seconds(4_000_000_000));
        let body = serde_json::to_vec(&beat).unwrap();
        assert!(body.len() <= LONGEST_BODY, "{}", body.len());
        assert_eq!(Beat::read(&body), Ok(beat));
    }
}
