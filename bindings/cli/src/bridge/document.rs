//! The file of a bridge's configuration: keys are taken out one by one by who knows
//! them, and what is left is a mistake.

use std::path::Path;

use svidex::binding::without_tokens;
use toml::Value;

use super::hooks::Command;
use super::plan::Wrong;

/// Longer than any that makes sense.
const LIMIT: u64 = 1024 * 1024;

#[derive(Default)]
pub(super) struct Document {
    pub(super) top: Table,
}

/// A table of which some keys were taken.
#[derive(Default)]
pub(super) struct Table {
    /// What stands before its keys in messages: `svid[2].`.
    prefix: String,
    values: toml::Table,
    known: Vec<String>,
}

impl Document {
    pub(super) fn read(path: &Path) -> Result<Self, Wrong> {
        let wrong = |why: String| Wrong(format!("--config: {} {why}", path.display()));
        let metadata =
            std::fs::metadata(path).map_err(|it| wrong(format!("cannot be read: {it}")))?;
        if !metadata.is_file() || metadata.len() > LIMIT {
            return Err(wrong("is not a file of at most 1 MiB".to_owned()));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let values = text.parse::<toml::Table>().map_err(|error| {
            let line = error
                .span()
                .map(|span| text[..span.start.min(text.len())].lines().count().max(1));
            let line = line.map_or_else(String::new, |line| format!(", line {line}"));
            // The parser's own words with the line quoted may quote a secret.
            let words = without_tokens(error.message());
            wrong(format!("is not TOML{line}: {words}"))
        })?;
        Ok(Self {
            top: Table {
                values,
                ..Table::default()
            },
        })
    }

    /// `[[key]]`, each.
    pub(super) fn tables(&mut self, key: &str) -> Result<Vec<Table>, Wrong> {
        let wrong = || Wrong(format!("{key} must be tables: write [[{key}]] above each"));
        self.top.known.push(key.to_owned());
        let all = match self.top.values.remove(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(all)) => all,
            Some(_) => return Err(wrong()),
        };
        all.into_iter()
            .enumerate()
            .map(|(index, value)| match value {
                Value::Table(values) => Ok(Table {
                    prefix: format!("{key}[{}].", index + 1),
                    values,
                    known: Vec::new(),
                }),
                _ => Err(wrong()),
            })
            .collect()
    }
}

impl Table {
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.known.push(key.to_owned());
        self.values.remove(key)
    }

    fn wrong(&self, key: &str, wanted: &str, value: &Value) -> Wrong {
        // Its kind, and never the value: it may be a secret in the wrong place.
        Wrong(format!(
            "{} must be {wanted}, and not of type {}",
            self.name(key),
            value.type_str()
        ))
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, Wrong> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Err(Wrong(format!(
                "{} is empty: leave it out, or give it a value",
                self.name(key)
            ))),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value) => Err(self.wrong(key, "text in quotes", &value)),
        }
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<bool, Wrong> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::Boolean(value)) => Ok(value),
            Some(value) => Err(self.wrong(key, "true or false", &value)),
        }
    }

    pub(super) fn number(&mut self, key: &str) -> Result<Option<f64>, Wrong> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Float(value)) => Ok(Some(value)),
            #[allow(clippy::cast_precision_loss, reason = "a number of seconds")]
            Some(Value::Integer(value)) => Ok(Some(value as f64)),
            Some(value) => Err(self.wrong(key, "a number of seconds", &value)),
        }
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Wrong> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let found = choices.iter().find(|(name, _)| *name == text);
        let names = || {
            choices
                .iter()
                .map(|it| it.0)
                .collect::<Vec<_>>()
                .join(" or ")
        };
        match found {
            Some((_, choice)) => Ok(Some(*choice)),
            None => Err(Wrong(format!(
                "{} is {:?}: it takes {}",
                self.name(key),
                without_tokens(&text),
                names()
            ))),
        }
    }

    /// A line for a shell, or a program and its arguments.
    pub(super) fn command(&mut self, key: &str) -> Result<Option<Command>, Wrong> {
        match self.values.get(key) {
            Some(Value::Array(_)) => {}
            _ => {
                let name = self.name(key);
                let line = self.text(key)?;
                return line.map(|line| Command::of_line(&name, &line)).transpose();
            }
        }
        let name = self.name(key);
        let Some(Value::Array(words)) = self.take(key) else {
            return Ok(None);
        };
        let words: Option<Vec<_>> = words
            .into_iter()
            .map(|word| word.as_str().map(str::to_owned))
            .collect();
        Command::of_words(&name, words.unwrap_or_default()).map(Some)
    }

    /// Nobody knows what is left.
    pub(super) fn finish(self) -> Result<(), Wrong> {
        match self.values.keys().next() {
            None => Ok(()),
            Some(key) => Err(Wrong(format!(
                "there is no key {}{}: there are {}",
                self.prefix,
                without_tokens(key),
                self.known.join(", ")
            ))),
        }
    }
}
