//! Parses the directive of a prompt (R11.3–R11.10) and lists the steps of its answer.
//!
//! Pure: it neither waits nor sends.

use std::iter;
use std::time::Duration;

use crate::coverage::FakeEvent;

/// Prefix of a directive inside a prompt.
const MARK: &str = "__fake__:";

/// The directive for an answer without text (R11.6).
pub(crate) const IDLE_DIRECTIVE: &str = "__fake__:idle";

/// Whether a prompt contains a directive, valid or not.
pub(crate) fn has_directive(prompt: &str) -> bool {
    prompt.contains(MARK)
}

/// Text of the answer of a released gate (R11.9).
const RELEASED: &str = "done";

/// A valid directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Directive {
    /// One chunk with this text.
    Echo(String),
    /// `chunks` chunks, separated by `pause`.
    Slow { chunks: u32, pause: Duration },
    /// An answer without text.
    Idle,
    /// An answer that begins and never continues.
    Hang,
    /// A 402 with this text.
    Error(String),
    /// An answer that waits until this tag is released.
    Gate(String),
}

/// A prompt without a valid directive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown fake directive `{0}`")]
pub(super) struct UnknownDirective(String);

/// One step of a streamed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Send a chunk with this text.
    Text(String),
    /// Wait for this duration.
    Pause(Duration),
    /// Wait until this tag is released.
    Park(String),
    /// Never continue.
    Hang,
    /// Send the chunk with `finish_reason: "stop"`.
    Stop,
    /// Send `[DONE]`.
    Done,
}

impl Directive {
    /// Parses the first directive in `prompt`.
    ///
    /// # Errors
    ///
    /// [`UnknownDirective`] if the prompt has no directive or an invalid one.
    pub(super) fn parse(prompt: &str) -> Result<Self, UnknownDirective> {
        let marked = prompt.split_once(MARK).map_or("", |(_, marked)| marked);
        let line = marked.lines().next().unwrap_or_default();
        let name = leading(line, |c| c.is_ascii_lowercase());
        let rest = &line[name.len()..];
        let argument = rest.strip_prefix(':');
        let directive = match (name, argument) {
            ("echo", Some(text)) => Some(Self::Echo(word(text).to_owned())),
            ("slow", Some(numbers)) => parse_slow(numbers),
            ("idle", None) => Some(Self::Idle),
            ("hang", None) => Some(Self::Hang),
            ("error", Some(message)) => Some(Self::Error(message.trim_end().to_owned())),
            ("gate", Some(tag)) if !word(tag).is_empty() => Some(Self::Gate(word(tag).to_owned())),
            _ => None,
        };
        directive.ok_or_else(|| UnknownDirective(line.to_owned()))
    }

    fn coverage(&self) -> FakeEvent {
        match self {
            Self::Echo(_) => FakeEvent::Echo,
            Self::Slow { .. } => FakeEvent::Slow,
            Self::Idle => FakeEvent::Idle,
            Self::Hang => FakeEvent::Hang,
            Self::Error(_) => FakeEvent::Error,
            Self::Gate(_) => FakeEvent::Gate,
        }
    }

    /// Steps of the streamed answer, or the text of the 402.
    pub(super) fn answer(self) -> Result<Box<dyn Iterator<Item = Step> + Send>, String> {
        let chunk = |text: &str| iter::once(Step::Text(text.to_owned()));
        let ending = [Step::Stop, Step::Done];
        self.coverage().reach();
        Ok(match self {
            Self::Error(message) => return Err(message),
            Self::Echo(text) => Box::new(chunk(&text).chain(ending)),
            Self::Idle => Box::new(ending.into_iter()),
            Self::Hang => Box::new(iter::once(Step::Hang)),
            Self::Gate(tag) => Box::new(iter::once(Step::Park(tag)).chain(chunk(RELEASED)).chain(ending)),
            Self::Slow { chunks, pause } => Box::new(
                (1..=chunks)
                    .flat_map(move |number| {
                        let pause = (number > 1).then_some(Step::Pause(pause));
                        pause.into_iter().chain([Step::Text(format!("chunk-{number} "))])
                    })
                    .chain(ending),
            ),
        })
    }
}

fn parse_slow(numbers: &str) -> Option<Directive> {
    let (chunks, rest) = numbers.split_once(':')?;
    let milliseconds = leading(rest, |c| c.is_ascii_digit());
    Some(Directive::Slow {
        chunks: chunks.parse().ok()?,
        pause: Duration::from_millis(milliseconds.parse::<u32>().ok()?.into()),
    })
}

/// The longest prefix of letters, digits, `_` and `-`.
fn word(text: &str) -> &str {
    leading(text, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn leading(text: &str, belongs: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_found_anywhere_in_the_prompt() {
        let slow = Directive::Slow {
            chunks: 3,
            pause: Duration::from_millis(50),
        };
        for (prompt, expected) in [
            (
                "__fake__:echo:hi-there_1! and more",
                Directive::Echo("hi-there_1".to_owned()),
            ),
            ("/init please __fake__:slow:3:50 now", slow),
            ("__fake__:idle", Directive::Idle),
            ("__fake__:hang and so on", Directive::Hang),
            (
                "__fake__:error:no money left\nnext line",
                Directive::Error("no money left".to_owned()),
            ),
            (
                "__fake__:gate:hold gate-result=fail",
                Directive::Gate("hold".to_owned()),
            ),
        ] {
            assert_eq!(Directive::parse(prompt), Ok(expected), "{prompt}");
        }
    }

    #[test]
    fn invalid_directives_are_rejected() {
        for prompt in [
            "",
            "hello",
            "__fake__:",
            "__fake__:dance:1",
            "__fake__:gate:",
            "__fake__:slow:3",
            "__fake__:slow:x:5",
            "__fake__:slow:3:",
            "__fake__:idle:1",
            "__fake__:echo",
            "__fake__:idleness",
            "__fake__:Echo:hi",
        ] {
            assert!(Directive::parse(prompt).is_err(), "{prompt}");
        }
    }

    #[test]
    fn a_slow_answer_pauses_between_its_chunks_only() {
        let pause = Duration::from_millis(50);
        let steps: Vec<_> = Directive::Slow { chunks: 2, pause }.answer().unwrap().collect();
        let chunk = |text: &str| Step::Text(text.to_owned());
        assert_eq!(
            steps,
            [
                chunk("chunk-1 "),
                Step::Pause(pause),
                chunk("chunk-2 "),
                Step::Stop,
                Step::Done
            ]
        );
    }
}
