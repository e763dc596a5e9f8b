//! Planted secrets, and the search for them.

use std::fmt::Write as _;

/// The recipient that may receive a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The wrapper, which needs it for its work.
    Wrapper,
    /// The receiver of callbacks.
    Receiver,
    /// No recipient.
    None,
}

/// All planted secrets, and the leaks found.
#[derive(Default)]
pub struct Planted {
    secrets: Vec<(String, String, Audience)>,
    leaks: Vec<String>,
    searched: usize,
}

impl Planted {
    /// Plants a text secret that contains the name of its place.
    pub fn text(&mut self, place: &str, audience: Audience) -> String {
        let word: String = place.chars().filter(char::is_ascii_alphanumeric).collect();
        let secret = format!("Planted0{word}0{}", self.secrets.len());
        self.add(place, &secret, audience)
    }

    /// Plants a secret number.
    pub fn number(&mut self, place: &str) -> u64 {
        let secret = 7_310_000_000_000_000 + self.secrets.len() as u64;
        self.add(place, &secret.to_string(), Audience::None);
        secret
    }

    /// Registers an existing secret.
    pub fn add(&mut self, place: &str, secret: &str, audience: Audience) -> String {
        self.secrets.push((place.to_owned(), secret.to_owned(), audience));
        secret.to_owned()
    }

    /// Registers the signature of a token, which is its only secret part.
    pub fn token(&mut self, place: &str, token: &str, audience: Audience) {
        let signature = token.rsplit('.').next().unwrap_or(token);
        if !self.secrets.iter().any(|(_, known, _)| known == signature) {
            self.add(place, signature, audience);
        }
    }

    /// Searches a text for secrets that `recipient` may not receive.
    pub fn search(&mut self, where_: &str, text: &str, recipient: Audience) {
        self.searched += 1;
        let found = self.secrets.iter().filter(|(_, secret, audience)| {
            let may_know = *audience == recipient && recipient != Audience::None;
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

    /// Returns whether a text contains the secret of a place.
    pub fn is_in(&self, place: &str, text: &str) -> bool {
        let mut secrets = self.secrets.iter().filter(|(known, _, _)| known == place);
        secrets.any(|(_, secret, _)| text.contains(secret.as_str()))
    }

    /// Ends the search.
    ///
    /// # Panics
    ///
    /// A leak was found. The message lists all leaks.
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
        assert!(searched > 0, "no text was searched");
    }
}

/// The secret with some of the text around it.
fn around(text: &str, secret: &str) -> String {
    let at = text.find(secret).unwrap_or(0);
    let before = text[..at].chars().rev().take(80).collect::<Vec<_>>();
    let before: String = before.into_iter().rev().collect();
    let after: String = text[at..].chars().take(secret.len() + 60).collect();
    format!("…{before}{after}…").replace('\n', "\\n")
}
