//! What a baseline says of a play. How it comes to that is in `baseline`.

/// What a baseline says of a play.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// No entry changes the meaning of its outcome.
    #[default]
    Unlisted,
    /// It failed, as an entry expects.
    ExpectedFailure(Listing),
    /// It passed, and an entry expects that it fails.
    UnexpectedPass(Listing),
    /// It passed, and an entry expects that it fails at times.
    FlakyPass(Listing),
    /// It failed each time, and an entry expects that it fails only at times.
    FailedEachTime(Listing),
}

/// The entry that is about a play, for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Its reason.
    pub reason: String,
    /// Its file and line.
    pub place: String,
    /// How often the scenario was played.
    pub plays: u32,
}

impl Standing {
    /// The entry, if there is one.
    pub fn listing(&self) -> Option<&Listing> {
        match self {
            Self::Unlisted => None,
            Self::ExpectedFailure(listing)
            | Self::UnexpectedPass(listing)
            | Self::FlakyPass(listing)
            | Self::FailedEachTime(listing) => Some(listing),
        }
    }

    /// The entry that a report shows below the play, in a sentence.
    pub fn sentence(&self) -> Option<String> {
        let Listing { reason, place, plays } = self.listing()?;
        Some(match self {
            Self::ExpectedFailure(_) | Self::Unlisted => format!("expected by {place}: {reason}"),
            Self::UnexpectedPass(_) => {
                format!("{place} expects a failure ({reason}): remove the entry, or set `flaky = true`")
            }
            Self::FlakyPass(_) => format!("flaky by {place}, passed at play {plays}: {reason}"),
            Self::FailedEachTime(_) => {
                let times = if *plays == 1 {
                    "once".to_owned()
                } else {
                    format!("{plays} of {plays} times")
                };
                format!(
                    "{place} expects a failure at times ({reason}), and it failed {times}: remove `flaky` if it always fails"
                )
            }
        })
    }
}
