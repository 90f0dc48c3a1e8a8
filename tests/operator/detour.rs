//! A way from the operator to the API server on which one request is held back.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use kube::Client;

use super::harm::{Harm, MANIFEST, SHORT_LEASE};
use super::support::stage::PATIENCE;
use super::support::{Stage, lab};

/// Where the operator's container says which API server is its own.
const ENV: &str = "        env:\n        - name: POD_NAMESPACE\n";

/// A port of API servers that the lab's has not.
const OTHER_PORT: &str = "port: 16443";

/// The operator of the lab goes this way until [`Harm`] gives it back; declare it after that.
pub struct Detour {
    child: Child,
    orders: ChildStdin,
    said: Receiver<String>,
}

/// What became of the held request.
#[derive(Debug)]
pub struct Landed {
    pub status: u16,
    /// The name and UID of what it made, or the reason why it made nothing.
    pub words: Vec<String>,
}

impl Detour {
    /// Leads the operator this way, with a short lease.
    pub async fn of_the_operator(client: &Client, harm: &mut Harm) -> Self {
        let detour = Self::start();
        let leads = detour.next();
        let way = leads.strip_prefix("leads ").and_then(|address| address.rsplit_once(':'));
        let (host, port) = way.unwrap_or_else(|| panic!("no detour: {leads}"));
        let manifest = std::fs::read_to_string(MANIFEST).unwrap();
        assert_eq!(manifest.matches(ENV).count(), 1, "one container of the manifest is the operator's");
        let own = format!(
            "        env:\n        - name: KUBERNETES_SERVICE_HOST\n          value: {host}\n        - name: \
             KUBERNETES_SERVICE_PORT\n          value: \"{port}\"\n"
        );
        let manifest = manifest.replace(ENV, &ENV.replace("        env:\n", &own));
        // The operator's own NetworkPolicy knows where API servers listen, and this is none of these ports.
        assert_eq!(manifest.matches(OTHER_PORT).count(), 1, "the NetworkPolicy of the operator names the port");
        let manifest = manifest.replace(OTHER_PORT, &format!("port: {port}"));
        harm.changes();
        // The same owner of the fields as the whole manifest's: applying that again takes them away.
        lab::kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &manifest).unwrap();
        harm.configure(client, SHORT_LEASE).await;
        detour
    }

    fn start() -> Self {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/lab/lab.sh");
        let mut command = Command::new(script);
        command.env("LAB_DIR", lab::folder()).arg("detour").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (orders, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (say, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                println!("detour: {line}");
                if say.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, orders, said }
    }

    fn next(&self) -> String {
        self.said.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the detour says nothing for {PATIENCE:?}"))
    }

    fn order(&mut self, line: &str) {
        writeln!(self.orders, "{line}").unwrap();
    }

    /// The next create of a pod in whose text this is will be held back, and others like it refused.
    pub fn hold_create(&mut self, stage: &Stage, text: &str) {
        self.order(&format!("hold POST /api/v1/namespaces/{}/pods {text}", stage.namespace));
    }

    /// Waits until the request is held: its sender doesn't know whether it is done.
    pub fn held(&self) {
        let said = self.next();
        assert!(said.starts_with("held "), "{said}");
    }

    /// Others like the held one are done from now on.
    pub fn pass(&mut self) {
        self.order("pass");
    }

    /// Lets the held request go on: what the API server said to it.
    pub fn release(&mut self) -> Landed {
        self.order("release");
        let said = self.next();
        let mut words = said.split(' ').map(String::from);
        assert_eq!(words.next().as_deref(), Some("landed"), "{said}");
        Landed { status: words.next().unwrap().parse().unwrap(), words: words.collect() }
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        // The operator has no way to the API server from here on, until the manifest is applied again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
