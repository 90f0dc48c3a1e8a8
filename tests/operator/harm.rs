//! Changes to the operator's installation that end with the test.

use kube::Client;
use tokio::sync::{Mutex, MutexGuard};

use super::support::lab::kubectl;
use super::support::operator::{NAME, NAMESPACE, well};

/// The manifest that people install.
pub const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/install.yaml");
/// A leader that is gone is replaced within about five seconds.
pub const SHORT_LEASE: &str = "
leaderElection: {leaseDurationSeconds: 4, renewDeadlineSeconds: 3, retryPeriodSeconds: 1}
requestTimeoutSeconds: 1
";

/// The right to harm the operator; giving it back repairs everything.
pub struct Harm {
    changed: bool,
    _turn: MutexGuard<'static, ()>,
}

impl Harm {
    /// Waits for the turn, and until both replicas are well.
    pub async fn begin(client: &Client) -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        well(client).await;
        Self { changed: false, _turn: turn }
    }

    /// Restarts the operator with this configuration file.
    pub async fn configure(&mut self, client: &Client, text: &str) {
        self.changed = true;
        let patch = serde_json::json!({"data": {"lazarus.yaml": text}}).to_string();
        operator(&["patch", "configmap", NAME, "--type=merge", "-p", &patch]);
        operator(&["rollout", "restart", "deployment", NAME]);
        rolled_out();
        well(client).await;
    }

    /// What follows changes the installation in some other way.
    pub fn changes(&mut self) {
        self.changed = true;
    }
}

impl Drop for Harm {
    fn drop(&mut self) {
        if self.changed {
            install();
            // The configuration is read at start, and the Deployment of the manifest is the one that is there.
            operator(&["rollout", "restart", "deployment", NAME]);
            rolled_out();
        }
    }
}

/// Installs the operator, or repairs what is there.
pub fn install() {
    kubectl(&["apply", "--server-side", "--force-conflicts", "-f", MANIFEST], "").unwrap();
    rolled_out();
}

/// Waits for the end of a rollout.
pub fn rolled_out() {
    operator(&["rollout", "status", "deployment", NAME, "--timeout=180s"]);
}

/// Runs kubectl in the operator's namespace.
pub fn operator(arguments: &[&str]) -> String {
    kubectl(&[&["-n", NAMESPACE], arguments].concat(), "").unwrap()
}
