//! `lazarus check`: reads first, judges then, and the judging is pure.

mod before;
mod certificate;
mod finding;
mod installed;
mod missions;
mod policies;
mod read;
mod rights;
mod seen;

use schemars::JsonSchema;
use serde::Serialize;

use self::finding::{Finding, Outcome};
use self::seen::Seen;
use super::Error;
use super::cluster::Connection;
use super::output::Output;
use crate::runtime::clock::{Clock, SystemClock};

/// Say whether this cluster can run missions and keep their isolation, and what to do where it can't
///
/// What is found wrong is marked FAIL and makes the command end with 1. What is worth a look is marked warn or note; skip is what
/// you have no right to see.
#[derive(clap::Args)]
#[command(mut_arg("namespace", |argument| argument.help("Look only at the missions of this namespace [default: of all]")))]
pub(super) struct Arguments {
    /// Only what is needed before the installation, and whether you may install
    #[arg(long)]
    pre: bool,

    #[command(flatten)]
    connection: Connection,

    #[command(flatten)]
    output: Output,
}

/// What `check` found.
#[derive(Serialize, JsonSchema)]
pub(super) struct Checked {
    /// One for each check.
    checks: Vec<Finding>,
    /// How many found something wrong.
    failed: usize,
    /// How many found something that is worth a look.
    warnings: usize,
}

impl Arguments {
    pub async fn run(self, program: &'static str) -> Result<(), Error> {
        let scope = self.connection.namespace.clone();
        let cluster = self.connection.open(program).await?;
        // All that is read at once is large.
        let seen = if self.pre {
            Box::pin(read::before(&cluster)).await?
        } else {
            Box::pin(read::all(&cluster, scope.as_deref())).await?
        };
        let explain = |namespace: &str, name: &str| cluster.command_in(namespace, &format!("explain {name}"));
        let checks = judge(&seen, SystemClock.now(), &explain);
        let count = |outcome| checks.iter().filter(|finding| finding.outcome == outcome).count();
        let checked = Checked { failed: count(Outcome::Failed), warnings: count(Outcome::Warning), checks };
        self.output.write(&checked, text)?;
        match checked.failed {
            0 => Ok(()),
            1 => Err("1 check failed".into()),
            some => Err(format!("{some} checks failed").into()),
        }
    }
}

/// What is to be said of all that was seen. `explain` names the command that says more about a mission.
fn judge(seen: &Seen, now: chrono::DateTime<chrono::Utc>, explain: &dyn Fn(&str, &str) -> String) -> Vec<Finding> {
    let Seen { before, rights, installed, missions } = seen;
    let cells = missions.as_ref().map(seen::Missions::readable).unwrap_or_default();
    let mut findings = before::judge(before, cells);
    findings.extend(rights.iter().flat_map(rights::judge));
    findings.extend(installed.iter().flat_map(|installed| installed::judge(installed, now)));
    let proxied = installed.as_ref().and_then(installed::has_proxy);
    findings.extend(missions.iter().flat_map(|missions| missions::judge(missions, proxied, now, explain)));
    findings
}

fn text(checked: &Checked) -> String {
    let count = |outcome| checked.checks.iter().filter(|finding| finding.outcome == outcome).count();
    let lines: String = checked.checks.iter().map(Finding::line).collect();
    format!(
        "{lines}\n{} ok, {}, {} failed, {} not looked at\n",
        count(Outcome::Ok) + count(Outcome::Note),
        if checked.warnings == 1 { "1 warning".into() } else { format!("{} warnings", checked.warnings) },
        checked.failed,
        count(Outcome::NotLookedAt),
    )
}

#[cfg(test)]
mod tests;
