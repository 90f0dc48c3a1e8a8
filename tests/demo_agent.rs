//! The demo agent as a real process, told what to do the way a person does.

#![cfg(test)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

fn lazarus() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lazarus"));
    command.arg("demo-agent").stdin(Stdio::null());
    command
}

/// A running demo agent that has introduced itself, so that its signal handlers are in place.
struct Agent {
    child: Child,
    output: BufReader<ChildStdout>,
    errors: ChildStderr,
}

impl Agent {
    fn start(arguments: &[&str]) -> Self {
        let mut child = lazarus()
            .args(arguments)
            .env("LAZARUS_AGENT", "scout")
            .env("LAZARUS_ROLE", "Lead")
            .env("LAZARUS_CELL", "night-watch")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let errors = child.stderr.take().unwrap();
        let mut agent = Self { child, output, errors };
        assert_eq!(agent.line(), "agent scout (role Lead) of mission night-watch is at work");
        agent
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn tell(&self, what: &str) {
        let told = lazarus().args(["tell", what, "--pid", &self.child.id().to_string()]).output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Its exit code, what it still said, and its last words on stderr.
    fn end(mut self) -> (Option<i32>, String, String) {
        let [mut said, mut complained] = [String::new(), String::new()];
        self.output.read_to_string(&mut said).unwrap();
        self.errors.read_to_string(&mut complained).unwrap();
        (self.child.wait().unwrap().code(), said, complained)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[test]
fn it_works_until_it_is_told_that_it_is_done() {
    let mut agent = Agent::start(&[]);
    assert_eq!(agent.line(), "step 1: working");
    agent.tell("exit");
    let (code, said, complained) = agent.end();
    assert_eq!((code, complained.as_str()), (Some(0), ""));
    assert!(said.ends_with("told to finish: my work is done\n"), "{said}");
}

#[test]
fn told_to_crash_it_dies_and_says_so_where_the_kubelet_looks() {
    let agent = Agent::start(&[]);
    agent.tell("crash");
    let (code, _, complained) = agent.end();
    assert_eq!((code, complained.as_str()), (Some(1), "lazarus: told to crash: the agent dies\n"));
}

#[test]
fn asked_to_stop_it_ends_in_good_order() {
    let agent = Agent::start(&[]);
    agent.signal(rustix::process::Signal::TERM);
    let (code, said, complained) = agent.end();
    assert_eq!((code, said.as_str(), complained.as_str()), (Some(0), "asked to stop: stopping in good order\n", ""));
}

#[test]
fn a_stubborn_one_goes_on_when_asked_to_stop() {
    let mut agent = Agent::start(&["--ignore-sigterm"]);
    agent.signal(rustix::process::Signal::TERM);
    assert_eq!(agent.line(), "asked to stop: I go on");
    assert_eq!(agent.line(), "step 1: working");
    agent.tell("crash");
    assert_eq!(agent.end().0, Some(1));
}

#[test]
fn a_hanging_one_works_no_more_but_obeys() {
    let mut agent = Agent::start(&["--work-seconds", "1"]);
    agent.tell("hang");
    assert_eq!(agent.line(), "told to hang: I do nothing from now on");
    // Its time would be over by now, had it gone on working.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(agent.child.try_wait().unwrap(), None);
    agent.signal(rustix::process::Signal::TERM);
    let (code, said, _) = agent.end();
    assert_eq!((code, said.as_str()), (Some(0), "asked to stop: stopping in good order\n"));
}

#[test]
fn its_time_ends_with_the_exit_code_it_was_given() {
    let (code, said, complained) = Agent::start(&["--work-seconds", "0"]).end();
    assert_eq!((code, said.as_str(), complained.as_str()), (Some(0), "my time is over\n", ""));
    let (code, said, complained) = Agent::start(&["--work-seconds", "0", "--exit-code", "7"]).end();
    assert_eq!((code, said.as_str(), complained.as_str()), (Some(7), "my time is over\n", "giving up with exit code 7\n"));
}

#[test]
fn it_asks_for_the_model_at_the_proxy_and_says_who_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let head = BufReader::new(&stream).lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect::<Vec<_>>();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 16\r\n\r\nnot \x1b[31mfor you").unwrap();
        head.join(";")
    });
    let bundle = std::env::temp_dir().join(format!("demo-agent-{}", std::process::id()));
    std::fs::write(&bundle, "").unwrap();
    let ask = |url: &str, proxy: Option<&str>| {
        let mut command = lazarus();
        command.args(["ask", url]).env_remove("HTTPS_PROXY").env("SSL_CERT_FILE", &bundle);
        let Output { status, stderr, .. } = command.envs(proxy.map(|proxy| ("HTTPS_PROXY", proxy))).output().unwrap();
        (status.code(), String::from_utf8(stderr).unwrap())
    };
    let refused = "lazarus: the proxy refuses: 403 Forbidden: not [31mfor you\n";
    assert_eq!(ask("https://model.example/a", Some(&proxy)), (Some(1), refused.into()));
    assert_eq!(asked.join().unwrap(), "CONNECT model.example:443 HTTP/1.1;host: model.example:443");
    let nowhere = ask("https://model.example/a", None);
    assert_eq!(nowhere, (Some(1), "lazarus: the environment has no HTTPS_PROXY\n".into()));
    let plain = ask("http://model.example/a", Some(&proxy));
    assert_eq!(plain, (Some(1), "lazarus: http://model.example/a is no URL that begins with https://\n".into()));
    std::fs::remove_file(bundle).unwrap();
}

#[test]
fn wrong_arguments_are_explained() {
    let wrong: &[(&[&str], &str)] = &[
        (&["--exit-code", "3"], "--work-seconds <N>"),
        (&["--work-seconds", "86401"], "86401 is not in 0..=86400"),
        (&["--exit-code", "256", "--work-seconds", "1"], "256 is not in 0..=255"),
        (&["tell", "sing"], "possible values: hang, crash, exit"),
        (&["tell", "hang", "--pid", "0"], "0 is not in 1..=2147483647"),
    ];
    for (arguments, says) in wrong {
        let Output { status, stderr, .. } = lazarus().args(*arguments).output().unwrap();
        let complaint = String::from_utf8_lossy(&stderr);
        assert!(status.code() == Some(2) && complaint.contains(says), "{arguments:?}: {complaint}");
    }
    // No process can have this number.
    let nobody = lazarus().args(["tell", "hang", "--pid", "2147483647"]).output().unwrap();
    let complaint = String::from_utf8_lossy(&nobody.stderr);
    assert!(nobody.status.code() == Some(1) && complaint.contains("cannot tell process 2147483647"), "{complaint}");
}
