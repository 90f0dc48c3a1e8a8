//! The configuration file, as it is shipped.

const FILE: &str = include_str!("../../config/lazarus.yaml");

pub fn page() -> String {
    format!(
        "# Configuration of the operator\n\n\
         `lazarus operator --config FILE` reads one file, once, at start. Without a file the built-in values apply. \
         The file that is shipped, `config/lazarus.yaml`, spells them all out:\n\n\
         ```yaml\n{FILE}```\n\n\
         - Every key is optional. An unknown key or a value out of its range stops the operator at start, with a message \
         that names the key.\n\
         - The operator does not watch the file. After a change restart it.\n\
         - `defaults` is the policy of missions without an AgentPolicy, and fills what an AgentPolicy leaves out: \
         see [set a policy](../how-to/set-a-policy.md).\n\
         - The environment variable `RUST_LOG` wins over `log.level`. It takes a filter such as `lazarus=debug,kube=info`.\n"
    )
}
