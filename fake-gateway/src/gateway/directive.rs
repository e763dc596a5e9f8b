//! Parses the directive of a prompt (R11.3–R11.10, R11.47–R11.49) and lists the steps of its answer.
//!
//! Pure: it neither waits nor sends.

use std::iter;
use std::time::Duration;

use turnstile_fault::{LONGEST_PAUSE_MS, MOST_CHUNKS, MOST_TOOL_CALLS};

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

/// Text of the 402 for `error` without a text (R11.8).
const STOCK_ERROR: &str = "the gateway refuses";

/// The number of characters of a prompt without a directive that are echoed (R11.48).
pub const ECHO_LENGTH: usize = 100;

/// The content of a prompt that selects the answer.
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
    /// `calls` answers that each call a tool, then an answer with this text.
    Tools { calls: usize, text: String },
    /// A prompt without a directive: one chunk with this text, its beginning.
    Plain(String),
}

/// A prompt with an invalid directive, or one with a number above its limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown fake directive `{0}`")]
pub(super) struct UnknownDirective(String);

/// One step of a streamed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Send a chunk with this text.
    Text(String),
    /// Send a chunk with the turn's tool call of this number, from 1.
    ToolCall(usize),
    /// Wait for this duration.
    Pause(Duration),
    /// Wait until this tag is released.
    Park(String),
    /// Never continue.
    Hang,
    /// Send the last chunk, which has a reason and the usage.
    Finish(FinishReason),
    /// Send `[DONE]`.
    Done,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FinishReason {
    /// It is complete.
    Stop,
    /// The agent must call a tool.
    ToolCalls,
}

impl Directive {
    /// Parses the first directive in `prompt`.
    ///
    /// # Errors
    ///
    /// [`UnknownDirective`] if the directive is invalid.
    pub(super) fn parse(prompt: &str) -> Result<Self, UnknownDirective> {
        let Some((_, marked)) = prompt.split_once(MARK) else {
            return Ok(Self::Plain(prompt.chars().take(ECHO_LENGTH).collect()));
        };
        let line = marked.lines().next().unwrap_or_default();
        let name = leading(line, |c| c.is_ascii_lowercase());
        let rest = &line[name.len()..];
        let argument = rest.strip_prefix(':');
        // Without a colon, a directive ends with the word.
        let is_alone = !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-'));
        let directive = match (name, argument) {
            ("echo", None) if is_alone => Some(Self::Echo(String::new())),
            ("echo", Some(text)) => Some(Self::Echo(word(text).to_owned())),
            ("slow", None) if is_alone => parse_slow("1"),
            ("slow", Some(numbers)) => parse_slow(numbers),
            ("idle", None) if is_alone => Some(Self::Idle),
            ("hang", None) if is_alone => Some(Self::Hang),
            ("error", None) if is_alone => Some(Self::Error(STOCK_ERROR.to_owned())),
            ("error", Some(message)) => Some(Self::Error(message.trim_end().to_owned())),
            ("gate", Some(tag)) if !word(tag).is_empty() => Some(Self::Gate(word(tag).to_owned())),
            ("tools", Some(calls)) => parse_tools(calls),
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
            Self::Tools { .. } => FakeEvent::Tools,
            Self::Plain(_) => FakeEvent::Plain,
        }
    }

    /// Steps of the streamed answer, or the text of the 402. `tool_results` is the number of tool calls of the turn
    /// that the agent has made.
    pub(super) fn answer(self, tool_results: usize) -> Result<Box<dyn Iterator<Item = Step> + Send>, String> {
        let chunk = |text: &str| iter::once(Step::Text(text.to_owned()));
        let ending = [Step::Finish(FinishReason::Stop), Step::Done];
        self.coverage().hit();
        Ok(match self {
            Self::Error(message) => return Err(message),
            Self::Tools { calls, .. } if tool_results < calls => {
                let number = tool_results + 1;
                let call = [
                    Step::ToolCall(number),
                    Step::Finish(FinishReason::ToolCalls),
                    Step::Done,
                ];
                Box::new(chunk(&format!("step-{number} ")).chain(call))
            }
            Self::Echo(text) | Self::Plain(text) | Self::Tools { text, .. } => {
                Box::new(chunk(&text).chain(ending))
            }
            Self::Idle => Box::new(chunk("").chain(ending)),
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

/// Parses `<chunks>:<milliseconds>`. There is at least one chunk, and missing milliseconds are 0 (R11.5).
fn parse_slow(numbers: &str) -> Option<Directive> {
    let (chunks, rest) = number(numbers, MOST_CHUNKS)?;
    let milliseconds = match rest.strip_prefix(':') {
        Some(milliseconds) => number(milliseconds, LONGEST_PAUSE_MS)?.0,
        None => 0,
    };
    Some(Directive::Slow {
        chunks: chunks.max(1),
        pause: Duration::from_millis(milliseconds.into()),
    })
}

/// Parses `<calls>:<text>` (R11.47).
fn parse_tools(argument: &str) -> Option<Directive> {
    let (calls, rest) = number(argument, MOST_TOOL_CALLS)?;
    let text = rest.strip_prefix(':')?;
    Some(Directive::Tools {
        calls: usize::try_from(calls).ok()?,
        text: word(text).to_owned(),
    })
}

/// Splits a leading number up to `most` from its rest.
fn number(text: &str, most: u32) -> Option<(u32, &str)> {
    let digits = leading(text, |c| c.is_ascii_digit());
    let number = digits.parse().ok().filter(|number| *number <= most)?;
    Some((number, &text[digits.len()..]))
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

    fn slow(chunks: u32, milliseconds: u64) -> Directive {
        Directive::Slow {
            chunks,
            pause: Duration::from_millis(milliseconds),
        }
    }

    #[test]
    fn directives_are_found_anywhere_in_the_prompt() {
        for (prompt, expected) in [
            (
                "__fake__:echo:hi-there_1! and more",
                Directive::Echo("hi-there_1".to_owned()),
            ),
            ("/init please __fake__:slow:3:50 now", slow(3, 50)),
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
            (
                "__fake__:tools:2:all-done and more",
                Directive::Tools {
                    calls: 2,
                    text: "all-done".to_owned(),
                },
            ),
        ] {
            assert_eq!(Directive::parse(prompt), Ok(expected), "{prompt}");
        }
    }

    #[test]
    fn directives_without_arguments_have_the_shortest_answer() {
        for (prompt, expected) in [
            ("__fake__:echo", Directive::Echo(String::new())),
            ("__fake__:echo:", Directive::Echo(String::new())),
            ("__fake__:slow please", slow(1, 0)),
            ("__fake__:slow:0", slow(1, 0)),
            ("__fake__:slow:0:5", slow(1, 5)),
            ("__fake__:slow:3", slow(3, 0)),
            ("__fake__:error", Directive::Error(STOCK_ERROR.to_owned())),
        ] {
            assert_eq!(Directive::parse(prompt), Ok(expected), "{prompt}");
        }
    }

    #[test]
    fn a_prompt_without_a_directive_is_echoed_up_to_its_limit() {
        for prompt in ["", "hello\nworld"] {
            assert_eq!(Directive::parse(prompt), Ok(Directive::Plain(prompt.to_owned())));
        }
        let long = "ü".repeat(ECHO_LENGTH + 1);
        let beginning = "ü".repeat(ECHO_LENGTH);
        assert_eq!(Directive::parse(&long), Ok(Directive::Plain(beginning)));
    }

    #[test]
    fn invalid_directives_are_rejected() {
        for prompt in [
            "__fake__:",
            "__fake__:dance:1",
            "__fake__:gate:",
            "__fake__:slow:x:5",
            "__fake__:slow:3:",
            "__fake__:slower",
            "__fake__:idle:1",
            "__fake__:idleness",
            "__fake__:echoes",
            "__fake__:tools",
            "__fake__:tools:2",
            "__fake__:tools:two:done",
            "__fake__:tools:1001:done",
            "__fake__:slow:10001:0",
            "__fake__:slow:1:86400001",
            "__fake__:Echo:hi",
        ] {
            assert!(Directive::parse(prompt).is_err(), "{prompt}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_prompt_has_a_short_answer(
            prompt in "[a-z ]{0,4}(__fake__:)?(slow|tools|echo|error|gate|idle|hang|[a-z]{0,4})(:[0-9a-z-]{0,11}){0,3}\\PC{0,8}",
            tool_results in 0..3_usize,
        ) {
            if let Ok(steps) = Directive::parse(&prompt).and_then(|directive| {
                directive.answer(tool_results).map_err(UnknownDirective)
            }) {
                let most = 2 * MOST_CHUNKS as usize + 2;
                assert!(steps.take(most + 1).count() <= most, "{prompt}");
            }
        }
    }

    #[test]
    fn a_slow_answer_pauses_between_its_chunks_only() {
        let chunk = |text: &str| Step::Text(text.to_owned());
        assert_eq!(
            steps(slow(2, 50), 0),
            [
                chunk("chunk-1 "),
                Step::Pause(Duration::from_millis(50)),
                chunk("chunk-2 "),
                Step::Finish(FinishReason::Stop),
                Step::Done
            ]
        );
    }

    fn steps(directive: Directive, tool_results: usize) -> Vec<Step> {
        directive.answer(tool_results).unwrap().collect()
    }

    #[test]
    fn a_tool_loop_calls_a_tool_until_it_has_all_results() {
        let directive = Directive::Tools {
            calls: 2,
            text: "all".to_owned(),
        };
        for (tool_results, text) in [(0, "step-1 "), (1, "step-2 ")] {
            let expected = [
                Step::Text(text.to_owned()),
                Step::ToolCall(tool_results + 1),
                Step::Finish(FinishReason::ToolCalls),
                Step::Done,
            ];
            assert_eq!(steps(directive.clone(), tool_results), expected);
        }
        let last = [
            Step::Text("all".to_owned()),
            Step::Finish(FinishReason::Stop),
            Step::Done,
        ];
        for tool_results in [2, 3] {
            assert_eq!(steps(directive.clone(), tool_results), last);
        }
    }

    #[test]
    fn an_idle_answer_begins_with_an_empty_chunk() {
        let expected = [
            Step::Text(String::new()),
            Step::Finish(FinishReason::Stop),
            Step::Done,
        ];
        assert_eq!(steps(Directive::Idle, 0), expected);
    }
}
