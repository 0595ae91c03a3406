//! `--name value` pairs. A tool of three modes needs no library for it.

use std::collections::HashMap;
use std::str::FromStr;

/// Why nothing came of it.
#[derive(Debug)]
pub enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// The kernel did not do it.
    System(String),
}

/// What stands behind each `--name`.
pub struct Arguments(HashMap<String, String>);

impl Arguments {
    /// Reads the words after the mode.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut values = HashMap::new();
        while let Some(word) = words.next() {
            let name = word
                .strip_prefix("--")
                .ok_or_else(|| Failure::Usage(format!("\"{word}\" is not an option")))?;
            let value = words
                .next()
                .ok_or_else(|| Failure::Usage(format!("--{name} has no value")))?;
            values.insert(name.to_owned(), value);
        }
        Ok(Self(values))
    }

    /// The value of an option, or this if it is not there.
    pub fn get_or<T: FromStr>(&self, name: &str, otherwise: T) -> Result<T, Failure> {
        if self.0.contains_key(name) {
            self.get(name)
        } else {
            Ok(otherwise)
        }
    }

    /// The value of an option that must be there.
    pub fn get<T: FromStr>(&self, name: &str) -> Result<T, Failure> {
        let text = self
            .0
            .get(name)
            .ok_or_else(|| Failure::Usage(format!("--{name} is missing")))?;
        text.parse()
            .map_err(|_| Failure::Usage(format!("--{name} cannot be \"{text}\"")))
    }
}
