//! `lint`: what the API server refuses is found without it, and nothing else.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::rows::object;
use crate::server::{Run, finish};
use crate::table::{ACCEPTED, REFUSED};

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("lint").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lazarus"));
    command.arg("lint");
    command
}

fn lint(folder: &Path, arguments: &[&str]) -> Run {
    finish(command().current_dir(folder).args(arguments))
}

/// One file for each row; all findings about it, as `FIELD: MESSAGE`.
fn found<'a>(name: &str, rows: impl Iterator<Item = (&'a str, Value)>) -> Vec<(String, Vec<String>)> {
    let folder = folder(name);
    let mut names = Vec::new();
    for (index, (name, object)) in rows.enumerate() {
        let file = format!("{index:03}.json");
        fs::write(folder.join(&file), object.to_string()).unwrap();
        names.push((name.to_owned(), file));
    }
    let result = lint(&folder, &["-f", ".", "-o", "json"]).json();
    assert_eq!((&result["files"], &result["objects"]), (&names.len().into(), &names.len().into()));
    let text = |finding: &Value| {
        let field = finding["field"].as_str().map(|field| format!("{field}: ")).unwrap_or_default();
        format!("{field}{}", finding["message"].as_str().unwrap())
    };
    let of = |file: &str| {
        let findings = result["findings"].as_array().unwrap().iter();
        findings.filter(|finding| finding["file"].as_str().unwrap().ends_with(file)).map(text).collect()
    };
    names.into_iter().map(|(name, file)| (name, of(&file))).collect()
}

#[test]
fn what_the_api_server_refuses_is_found_in_its_words() {
    let rows = REFUSED.iter().map(|(name, at, text, _)| (*name, object(*at, text).1));
    let mut failures = Vec::new();
    for ((name, found), (.., says)) in found("refused", rows).into_iter().zip(REFUSED) {
        let found = found.join("\n");
        for words in *says {
            // The name of a field that is not known comes first here, as that of every other.
            let words = match words.strip_prefix("unknown field \"") {
                Some(field) => format!("{}: unknown field", field.trim_end_matches('"')),
                None if *words == "unknown field" => continue,
                None => (*words).to_owned(),
            };
            if !found.contains(&words) {
                failures.push(format!("{name}: no {words:?} in {found:?}"));
            }
        }
        if found.is_empty() || found.contains("without a cluster") {
            failures.push(format!("{name}: {found:?}"));
        }
    }
    assert!(failures.is_empty(), "of {} rows:\n{}", REFUSED.len(), failures.join("\n"));
}

#[test]
fn what_the_api_server_accepts_is_clean() {
    let rows = ACCEPTED.iter().map(|(name, at, text)| (*name, object(*at, text).1));
    let wrong: Vec<_> = found("accepted", rows).into_iter().filter(|(_, found)| !found.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_samples_and_the_missions_of_the_documentation_are_clean() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = lint(project, &["-f", "config/samples"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    assert!(run.out.contains("none wrong") && run.out.lines().count() == 1, "{}", run.out);

    let blocks = folder("documentation");
    let mut pages = vec![project.join("README.md")];
    for folder in ["docs", "docs/concepts", "docs/how-to", "docs/tutorials"] {
        pages.extend(fs::read_dir(project.join(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    let mut count = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|suffix| suffix == "md")) {
        let text = fs::read_to_string(page).unwrap();
        for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            count += 1;
            let stem = page.file_stem().unwrap().display();
            fs::write(blocks.join(format!("{stem}-{count}.yaml")), block).unwrap();
        }
    }
    let run = lint(&blocks, &["-f", ".", "-o", "json"]);
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(run.json()["objects"].as_u64().unwrap() > 5, "{}", run.out);
}

const MISSION: &str = "\
apiVersion: lazarus-pit.io/v1alpha1
kind: MissionCell
metadata:
  name: night-watch
  namespace: missions
spec:
  mission: Keep the release train green
  agnets: []
  agents:
  - name: scout
    image: registry.example/scout:1.4
    revive: no
---
apiVersion: v1
kind: ConfigMap
metadata: {name: files}
";

#[test]
fn each_finding_has_its_place_and_the_way_out() {
    let folder = folder("places");
    fs::write(folder.join("a.yaml"), MISSION).unwrap();
    fs::create_dir(folder.join("more")).unwrap();
    fs::write(folder.join("more/b.yml"), "kind: MissionCell\nkind: MissionCell\n").unwrap();
    fs::write(folder.join("more/c.json"), "{\n\t\"apiVersion\": \"lazarus-pit.io/v1\", \"kind\": \"MissionCell\"}").unwrap();
    fs::write(folder.join("more/kustomization.yaml"), "resources: [").unwrap();
    fs::write(folder.join("notes.txt"), "{").unwrap();
    let run = lint(&folder, &["-f", "."]);
    let lines: Vec<_> = run.out.lines().collect();
    let begin = [
        "./a.yaml:8 MissionCell/missions/night-watch: spec.agnets: unknown field: did you mean `agents`?",
        "./a.yaml:12 MissionCell/missions/night-watch: spec.agents[0].revive: must be of type string, not boolean: write it in quotes",
        "./more/b.yml:2: the key `kind` is here twice",
        "./more/c.json:2 MissionCell: apiVersion: is lazarus-pit.io/v1, must be lazarus-pit.io/v1alpha1",
        "3 files, 2 objects: 2 wrong, 1 document not YAML; 1 object of other kinds not checked",
    ];
    assert_eq!(lines.len(), begin.len(), "{}", run.out);
    for begin in begin {
        assert!(lines.iter().any(|line| line.starts_with(begin)), "no {begin} in\n{}", run.out);
    }
    assert_eq!((run.code, run.err.as_str()), (1, "lazarus: 4 things are wrong\n"));
}

#[test]
fn what_the_operator_would_not_start_is_found() {
    let folder = folder("held");
    let mission = MISSION
        .replace("  agnets: []\n", "  egress: [{cidr: 10.0.0.0/8, ports: [443]}]\n")
        .replace("revive: no", "revive: Never");
    fs::write(folder.join("a.yaml"), &mission).unwrap();
    let run = lint(&folder, &["-f", "a.yaml"]);
    let egress = "a.yaml:8 MissionCell/missions/night-watch: spec.egress[0].cidr: is 10.0.0.0/8, and all of it is private";
    assert!(run.code == 1 && run.out.starts_with(egress), "{}", run.out);

    fs::write(folder.join("a.yaml"), mission.replace("10.0.0.0/8", "192.0.2.0/24")).unwrap();
    assert_eq!(lint(&folder, &["-f", "a.yaml"]).code, 0);
    let run = lint(&folder, &["-f", "a.yaml", "--minimum-level", "Level2"]);
    let image = "a.yaml:10 MissionCell/missions/night-watch: spec.agents[0]: Level2 needs the image of agent scout by digest: \
                 write registry.example/scout@sha256:… instead of a tag";
    assert!(run.code == 1 && run.out.starts_with(image), "{}", run.out);
    // What the mission says itself the API server refuses already.
    fs::write(folder.join("a.yaml"), mission.replace("  egress:", "  isolation: Level2\n  egress:")).unwrap();
    let run = lint(&folder, &["-f", "a.yaml"]);
    assert!(run.code == 1 && run.out.contains("need every `image` by digest: write NAME@sha256:…"), "{}", run.out);
}

#[test]
fn standard_input_is_a_file_as_well() {
    let mut child =
        command().args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: lazarus-pit.io/v1alpha1\n  kind: AgentPolicy\n  metadata: {name: Careful}\n  spec: {}\n";
    child.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("-:6 AgentPolicy/Careful: metadata.name: is \"Careful\""), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_can_not_be_looked_at_is_no_verdict() {
    let folder = folder("unreadable");
    for arguments in [&["-f", "missing.yaml"][..], &["-f", "."], &[], &["-f", ".", "--minimum-level", "4"]] {
        let run = lint(&folder, arguments);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{arguments:?}: {}", run.err);
    }
}
