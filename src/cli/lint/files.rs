//! The files that are looked at.

use std::fs;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};

use crate::cli::Misuse;

/// A file, as people named it.
pub(super) struct Source {
    pub name: String,
    pub text: String,
}

/// Reads files, directories with all that is in them, and standard input, which is `-`.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Source>, Misuse> {
    let mut sources = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            let mut text = String::new();
            stdin().lock().read_to_string(&mut text).map_err(|error| cannot_read(path, &error))?;
            sources.push(Source { name: "-".into(), text });
            continue;
        }
        let mut files = Vec::new();
        if path.is_dir() {
            below(path, &mut files)?;
            if files.is_empty() {
                return Err(Misuse(format!("{} holds no file that ends with .yaml, .yml or .json", path.display())));
            }
        } else {
            files.push(path.clone());
        }
        for file in files {
            let text = fs::read_to_string(&file).map_err(|error| cannot_read(&file, &error))?;
            sources.push(Source { name: file.display().to_string(), text });
        }
    }
    Ok(sources)
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Misuse> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut paths: Vec<_> = entries.map_err(|error| cannot_read(folder, &error))?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            // A link to a folder may lead in a circle, and what is hidden is no manifest.
            if !path.is_symlink() && !is_hidden(&path) {
                below(&path, found)?;
            }
        } else if is_manifest(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_manifest(path: &Path) -> bool {
    let suffix = path.extension().and_then(|suffix| suffix.to_str());
    let kustomization = path.file_stem().is_some_and(|name| name == "kustomization");
    !kustomization && !is_hidden(path) && matches!(suffix, Some("yaml" | "yml" | "json"))
}

fn cannot_read(file: &Path, error: &std::io::Error) -> Misuse {
    Misuse(format!("cannot read {}: {error}", file.display()))
}
