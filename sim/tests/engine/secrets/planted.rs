//! Secrets that are planted, and the search for them.

use std::fmt::Write as _;

/// To whom a secret may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belongs {
    /// To the wrapper, which works with it.
    Wrapper,
    /// To the receiver of callbacks.
    Receiver,
    /// To nobody.
    Nobody,
}

/// What has been planted so far.
#[derive(Default)]
pub struct Planted {
    secrets: Vec<(String, String, Belongs)>,
    leaks: Vec<String>,
    searched: usize,
}

impl Planted {
    /// A new secret for a place, which tells the place if it turns up elsewhere.
    pub fn text(&mut self, place: &str, belongs: Belongs) -> String {
        let word: String = place.chars().filter(char::is_ascii_alphanumeric).collect();
        let secret = format!("Planted0{word}0{}", self.secrets.len());
        self.add(place, &secret, belongs)
    }

    /// A new secret that is a number.
    pub fn number(&mut self, place: &str) -> u64 {
        let secret = 7_310_000_000_000_000 + self.secrets.len() as u64;
        self.add(place, &secret.to_string(), Belongs::Nobody);
        secret
    }

    /// A secret that somebody else made.
    pub fn add(&mut self, place: &str, secret: &str, belongs: Belongs) -> String {
        self.secrets.push((place.to_owned(), secret.to_owned(), belongs));
        secret.to_owned()
    }

    /// A token: what is secret of it is its signature, for all that comes before could be anybody's.
    pub fn token(&mut self, place: &str, token: &str, belongs: Belongs) {
        let signature = token.rsplit('.').next().unwrap_or(token);
        if !self.secrets.iter().any(|(_, known, _)| known == signature) {
            self.add(place, signature, belongs);
        }
    }

    /// Looks for secrets in something that was told to somebody.
    pub fn search(&mut self, where_: &str, text: &str, told_to: Belongs) {
        self.searched += 1;
        let found = self.secrets.iter().filter(|(_, secret, belongs)| {
            let may_know = *belongs == told_to && told_to != Belongs::Nobody;
            !may_know && text.contains(secret.as_str())
        });
        let found = found.map(|(place, secret, _)| (place.clone(), secret.clone()));
        for (place, secret) in found.collect::<Vec<_>>() {
            let shown = around(text, &secret);
            self.leaks.push(format!(
                "secret of: {place}\n  found in: {where_}\n      says: {shown}"
            ));
        }
    }

    /// Whether a text has the secret of a place in it.
    pub fn is_in(&self, place: &str, text: &str) -> bool {
        let mut secrets = self.secrets.iter().filter(|(known, _, _)| known == place);
        secrets.any(|(_, secret, _)| text.contains(secret.as_str()))
    }

    /// Ends the search.
    ///
    /// # Panics
    ///
    /// If any secret was found; it tells of all that were.
    pub fn end(mut self) {
        self.leaks.sort();
        self.leaks.dedup();
        let mut list = String::new();
        for leak in &self.leaks {
            let _ = writeln!(list, "\n{leak}");
        }
        let (leaks, searched) = (self.leaks.len(), self.searched);
        assert!(
            self.leaks.is_empty(),
            "{leaks} leaks in {searched} texts:\n{list}"
        );
        assert!(searched > 0, "nothing was searched");
    }
}

/// A secret in a text with a little of what stands around it.
fn around(text: &str, secret: &str) -> String {
    let at = text.find(secret).unwrap_or(0);
    let before = text[..at].chars().rev().take(80).collect::<Vec<_>>();
    let before: String = before.into_iter().rev().collect();
    let after: String = text[at..].chars().take(secret.len() + 60).collect();
    format!("…{before}{after}…").replace('\n', "\\n")
}
