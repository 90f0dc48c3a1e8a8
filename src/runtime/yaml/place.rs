//! Where things are in a text.

use std::collections::BTreeMap;

/// Where a value and all that is in it begin.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// From 1; `None`: nothing is in it.
    pub line: Option<usize>,
    /// By key: the line of the key, and the place of what it has.
    pub fields: BTreeMap<String, (usize, Place)>,
    pub items: Vec<Place>,
}

impl Place {
    /// The line of a field, such as `spec.agents[0].image`, or of the innermost thing around it that is there.
    pub fn line(&self, path: &str) -> Option<usize> {
        self.find(path, self.line).unwrap_or_else(|around| around)
    }

    /// The error is the line of the innermost thing that is there.
    fn find(&self, path: &str, own: Option<usize>) -> Result<Option<usize>, Option<usize>> {
        if path.is_empty() {
            return Ok(own);
        }
        let around = self.line.or(own);
        if let Some((index, rest)) = path.strip_prefix('[').and_then(|path| path.split_once(']'))
            && let Some(item) = index.parse().ok().and_then(|index: usize| self.items.get(index))
        {
            return item.find(rest, item.line.or(around));
        }
        let path = path.strip_prefix('.').unwrap_or(path);
        // Keys may hold dots themselves: the longest that is there, unless another one leads to the end.
        let ends = path.match_indices(['.', '[']).map(|(end, _)| end).chain([path.len()]);
        let mut innermost = None;
        for (key, rest) in ends.map(|end| path.split_at(end)).collect::<Vec<_>>().into_iter().rev() {
            let Some((line, inner)) = self.fields.get(key) else { continue };
            match inner.find(rest, Some(*line)) {
                Ok(found) => return Ok(found),
                Err(around) => innermost = innermost.or(around),
            }
        }
        Err(innermost.or(around))
    }
}

/// The characters of a text, by lines as YAML counts them.
pub(super) struct Characters {
    all: Vec<char>,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl Characters {
    pub fn of(text: &str) -> Self {
        let all: Vec<char> = text.chars().collect();
        let breaks = |index: usize| match all.get(index) {
            Some('\r') => all.get(index + 1) != Some(&'\n'),
            other => matches!(other, Some('\n' | '\u{85}' | '\u{2028}' | '\u{2029}')),
        };
        let lines = [0].into_iter().chain((0..all.len()).filter(|index| breaks(*index)).map(|index| index + 1)).collect();
        Self { all, lines }
    }

    /// Whether the scalar at this place, counted from 1, is without quotes.
    pub fn is_plain(&self, line: usize, column: usize) -> bool {
        let start = line.checked_sub(1).and_then(|line| self.lines.get(line));
        let first = start.and_then(|start| self.all.get((start + column).checked_sub(1)?));
        !matches!(first, None | Some('\'' | '"' | '|' | '>' | '!' | '&' | '*'))
    }
}
