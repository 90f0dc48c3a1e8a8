//! The committed files that the code generates, and what must be true of them.

#![cfg(test)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use lazarus::api::names;
use lazarus::render::install::{Object, Options, crds, manifest};
use lazarus::runtime::yaml;
use serde_json::Value;

const HEADER: &str = "# Made from the Rust sources by `make generate`: change those.\n";
/// `kubectl apply` without `--server-side` keeps a copy of the object in an annotation of at most 256 KiB.
const MOST_BYTES: usize = 200_000;

fn files() -> Vec<(String, String)> {
    let text = |documents: String| format!("{HEADER}{documents}");
    let mut files: Vec<_> =
        crds().iter().map(|crd| (format!("crds/{}.yaml", crd.spec.names.plural), text(yaml::to_string(crd).unwrap()))).collect();
    files.push(("deploy/install.yaml".into(), text(yaml::to_documents(manifest(&Options::default())).unwrap())));
    files
}

#[test]
fn committed_files_are_what_the_code_generates() {
    let update = std::env::var_os("UPDATE_GENERATED").is_some();
    for (path, wanted) in files() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
        if update {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &wanted).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        let line = found.lines().zip(wanted.lines()).position(|(found, wanted)| found != wanted).map_or(0, |at| at + 1);
        assert!(found == wanted, "{path} is not what the code generates (line {line}): run `make generate` and commit");
    }
}

/// Every schema below, with its path; `[]` stands for the items of a list, `{}` for the values of a map.
fn schemas(crd: &CustomResourceDefinition) -> Vec<(String, Value)> {
    let root = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
    let mut open = vec![(crd.spec.names.kind.clone(), serde_json::to_value(root).unwrap())];
    let mut all = Vec::new();
    while let Some((path, schema)) = open.pop() {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            open.push((format!("{path}.{name}"), property.clone()));
        }
        for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
            if let Some(inner) = schema.get(key) {
                open.push((format!("{path}{mark}"), inner.clone()));
            }
        }
        all.push((path, schema));
    }
    all
}

#[test]
fn every_field_is_described_for_kubectl_explain() {
    for (path, schema) in crds().iter().flat_map(schemas) {
        let description = schema["description"].as_str().unwrap_or_default();
        // The texts and numbers of a list say no more than the list does.
        let plain = path.ends_with(['[', ']', '{', '}']) && (schema["type"] == "string" || schema["type"] == "integer");
        assert!(plain || description.len() >= 4, "{path} has no description");
        assert!(plain || description.ends_with(['.', '…', ']']), "{path} doesn't end as a sentence: {description}");
        for junk in ["[`", "`]", "](", "::", "Option<", "Auto-generated", "  \n"] {
            assert!(!description.contains(junk), "{path} has `{junk}` in its description: {description}");
        }
    }
}

#[test]
fn schemas_keep_to_what_the_api_server_and_gitops_like() {
    for (path, schema) in crds().iter().flat_map(schemas) {
        let in_list = path.contains("[]");
        assert!(!in_list || schema.get("default").is_none(), "{path} has a default within a list: GitOps tools see drift");
        assert!(
            !schema["format"].as_str().unwrap_or_default().starts_with("uint"),
            "{path} has a format the API server warns of"
        );
        let optional = schema["nullable"] != true || ["MissionCell.status", "RevivalRequest.status"].contains(&path.as_str());
        assert!(optional, "{path} may be null: that is stored, while a null that is not allowed is dropped");
        let bounded = schema["type"] != "array" || schema.get("maxItems").is_some() || path.contains(".status");
        assert!(bounded, "{path} is a list without an upper bound");
    }
}

#[test]
fn kinds_are_small_enough_for_client_side_apply() {
    for crd in crds() {
        let bytes = serde_json::to_string(&crd).unwrap().len();
        println!("{}: {bytes} bytes", crd.spec.names.kind);
        assert!(bytes < MOST_BYTES, "{} has {bytes} bytes", crd.spec.names.kind);
    }
}

#[test]
fn kinds_have_their_columns_and_short_names() {
    let seen = crds().map(|crd| {
        let names = crd.spec.names;
        let columns = crd.spec.versions[0].additional_printer_columns.clone().unwrap();
        let columns: Vec<_> = columns
            .into_iter()
            .map(|column| if column.priority.unwrap_or(0) == 0 { column.name } else { format!("{}+", column.name) })
            .collect();
        format!(
            "{} {} {}: {}",
            names.plural,
            names.short_names.unwrap().join(","),
            names.categories.unwrap().join(","),
            columns.join(" ")
        )
    });
    let wanted = [
        "missioncells mcell lazarus: Ready Reason Agents Revived Asks Age Isolation+ Policy+ Next+ Message+",
        "agentpolicies apol lazarus: Revive Attempts Age",
        "revivalrequests rvr lazarus: Cell Agents Cause Decision By Expires Age Options+ Message+",
    ];
    assert_eq!(seen, wanted);
}

/// The rules about decisions compare each other field of the status by its name.
#[test]
fn whoever_decides_writes_nothing_else() {
    let kinds = crds();
    let found = kinds.iter().flat_map(schemas).filter_map(|(path, _)| {
        let field = path.strip_prefix("RevivalRequest.status.")?;
        field.chars().all(char::is_alphanumeric).then(|| field.to_owned())
    });
    assert_eq!(found.collect::<BTreeSet<_>>(), ["conditions", "decisions", "summary"].map(String::from).into());
    let rule = manifest(&Options::default())
        .iter()
        .map(|object| serde_json::to_string(object).unwrap())
        .find(|text| text.contains("\"revivalrequest-decisions.lazarus-pit.io\"") && text.contains("validations"));
    for field in ["conditions", "summary"] {
        let same = format!("object.?status.?{field} == oldObject.?status.?{field}");
        assert!(rule.as_ref().is_some_and(|rule| rule.contains(&same)), "{field}");
    }
}

#[test]
fn rights_are_spelled_out() {
    let mut rules = 0;
    for object in manifest(&Options::default()) {
        let (Object::ClusterRole(_) | Object::Role(_)) = object else { continue };
        let role = serde_json::to_value(object).unwrap();
        assert!(!role.to_string().contains('*'), "a wildcard in {}", role["metadata"]["name"]);
        rules += role["rules"].as_array().unwrap().len();
    }
    assert!(rules > 0);
}

#[test]
fn the_operators_own_pods_pass_its_own_admission_rules() {
    let objects = manifest(&Options { image: "registry.example/lazarus@sha256:0".into() });
    let Some(Object::Deployment(deployment)) = objects.last() else { panic!("the operator comes last") };
    let template = serde_json::to_value(&deployment.spec.template.metadata).unwrap();
    assert!(!template.to_string().contains(names::PREFIX), "{template}");
    let pod = deployment.spec.template.spec.as_ref().unwrap();
    assert_eq!(pod.containers[0].image.as_deref(), Some("registry.example/lazarus@sha256:0"));
}

fn lazarus(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lazarus"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn the_program_prints_what_the_files_hold() {
    let printed = |arguments| {
        let Output { status, stdout, stderr } = lazarus(arguments).output().unwrap();
        assert!(status.success() && stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    };
    assert_eq!(printed(&["crds"]), yaml::to_documents(crds()).unwrap());
    assert_eq!(printed(&["manifest"]), yaml::to_documents(manifest(&Options::default())).unwrap());
    let own = printed(&["manifest", "--image", "registry.example/lazarus:1"]);
    assert!(own.contains("image: registry.example/lazarus:1\n") && !own.contains("lazarus-pit:dev"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for command in ["crds", "manifest"] {
        let mut child = lazarus(&[command]).spawn().unwrap();
        drop(child.stdout.take());
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        assert!(status.success() && stderr.is_empty(), "{command}: {status} {}", String::from_utf8_lossy(&stderr));
    }
}
