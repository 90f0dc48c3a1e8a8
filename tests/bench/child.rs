//! Another process of this program: told by lines of JSON, measured by what the kernel says of it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Result;

/// The kernel tells other programs the time of processors in hundredths of a second, whatever it uses itself.
const TICK: Duration = Duration::from_millis(10);

/// A process that ends with its input, so never outlives this one.
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// Memory of a process in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory {
    /// All that is in use.
    pub resident: u64,
    /// Without files, of which others have the same pages.
    pub anonymous: u64,
}

impl Process {
    /// Starts this program in another role.
    pub fn start(role: &str, order: &impl Serialize) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([role, &serde_json::to_string(order)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, input, output })
    }

    /// What it says next.
    pub fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(format!("a process of the bench has ended early: {}", self.child.wait()?).into());
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// What it says when asked.
    pub fn ask<T: DeserializeOwned>(&mut self) -> Result<T> {
        let input = self.input.as_mut().ok_or("no input")?;
        writeln!(input)?;
        input.flush()?;
        self.hear()
    }

    /// Time that it has had on processors so far.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name of the program may hold spaces; after it come the fields from the third on.
        let (_, fields) = stat.rsplit_once(") ").ok_or("/proc/PID/stat is not as it was")?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u32>).sum::<Result<u32, _>>()?;
        Ok(TICK * ticks)
    }

    /// Memory that it holds now.
    pub fn memory(&self) -> Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("/proc/PID/status is not as it was")?;
            Ok::<_, crate::Trouble>(line.trim().trim_end_matches(" kB").parse::<u64>()?)
        };
        Ok(Memory { resident: of("VmRSS:")?, anonymous: of("RssAnon:")? })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.input = None;
        // It may be at work still, and there is nothing in it to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
