//! The inputs of all procedures, field by field (protocol §2), with a sample value for each kind of field.
//!
//! Data only: `mechanical` derives cases from it.

use serde_json::{Map, Value, json};

/// A valid message id.
pub const MESSAGE: &str = "msg_0123456789abABCDEFGHIJKLMN";
/// A model that the gateway serves.
pub const MODEL: &str = "kilo/fake-deterministic";

/// The callers that a procedure accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, without credentials.
    Anybody,
    /// A user with a token.
    User,
    /// An internal service that acts for a user.
    Internal,
}

#[derive(Debug, Clone, Copy)]
pub struct Procedure {
    /// Name in the URL.
    pub name: &'static str,
    /// Whether GET is supported.
    pub is_query: bool,
    pub access: Access,
}

const fn mutation(name: &'static str, access: Access) -> Procedure {
    let is_query = false;
    Procedure {
        name,
        is_query,
        access,
    }
}

const fn query(name: &'static str, access: Access) -> Procedure {
    let is_query = true;
    Procedure {
        name,
        is_query,
        access,
    }
}

/// The health check, without input.
pub const HEALTH: Procedure = query("health", Access::Anybody);
const START: Procedure = mutation("start", Access::User);
/// Sends a further message.
pub const SEND: Procedure = mutation("send", Access::User);
/// Creates a session whose first message is sent later.
pub const PREPARE: Procedure = mutation("prepareSession", Access::Internal);
/// Sends the first message of a prepared session.
pub const INITIATE: Procedure = mutation("initiateFromKilocodeSessionV2", Access::User);
/// Sends a further message, for old clients.
pub const SEND_V2: Procedure = mutation("sendMessageV2", Access::User);
/// Changes the callback target.
pub const UPDATE: Procedure = mutation("updateSession", Access::Internal);
/// Interrupts all work of a session.
pub const INTERRUPT: Procedure = mutation("interruptSession", Access::User);
/// Deletes a session.
pub const DELETE: Procedure = mutation("deleteSession", Access::User);
/// Returns the view of a session.
pub const GET_SESSION: Procedure = query("getSession", Access::User);
const GET_HEALTH: Procedure = mutation("getSessionHealth", Access::User);
const GET_LATEST: Procedure = query("getLatestAssistantMessage", Access::User);

/// The kind of value in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Any text; the sample is this one.
    Word(&'static str),
    /// A boolean.
    Flag,
    /// A session id.
    Session,
    /// A message id.
    Message,
    /// A message id that may be absent and not null.
    FirstMessage,
    /// An agent mode.
    Mode,
    /// A model id.
    Model,
    /// A prompt.
    Prompt,
    /// A prompt of any length.
    LongPrompt,
    /// A variant of a model.
    Variant,
    /// The id of an organization.
    Organization,
    /// The name of a command.
    Command,
    /// A gate threshold.
    Gate,
    /// Images: a list or an object.
    Images,
    /// An object with text values.
    Texts,
    /// A list of texts.
    List,
    /// An https URL.
    GitUrl,
    /// The URL of a callback receiver.
    CallbackUrl,
    /// HTTP headers.
    Headers,
    /// The tag of a variant object.
    Tag(&'static str),
    /// An object.
    Object {
        /// Whether unknown fields are refused.
        is_strict: bool,
    },
}

const OBJECT: Kind = Kind::Object { is_strict: false };
const STRICT: Kind = Kind::Object { is_strict: true };

/// One field of an input.
#[derive(Debug, Clone)]
pub struct Field {
    /// Path, with dots between names.
    pub path: String,
    /// Kind of value.
    pub kind: Kind,
    /// Whether the containing object requires it.
    pub is_required: bool,
}

impl Field {
    /// Last name of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// Path of the containing object; empty for the input itself.
    pub fn parent(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(parent, _)| parent)
    }
}

/// One form of a procedure's input.
#[derive(Debug, Clone)]
pub struct Input {
    /// The procedure.
    pub procedure: Procedure,
    /// Name of the form; empty if the procedure has only one.
    pub form: &'static str,
    /// Whether unknown fields are refused.
    pub is_strict: bool,
    /// All fields; an object comes before its fields.
    pub fields: Vec<Field>,
}

fn must(path: &str, kind: Kind) -> Field {
    Field {
        path: path.to_owned(),
        kind,
        is_required: true,
    }
}

fn may(path: &str, kind: Kind) -> Field {
    Field {
        is_required: false,
        ..must(path, kind)
    }
}

/// Prefixes the paths of `fields` with the path of `object`.
fn within(object: Field, fields: Vec<Field>) -> Vec<Field> {
    let path = object.path.clone();
    let inner = fields.into_iter().map(|field| Field {
        path: format!("{path}.{}", field.path),
        ..field
    });
    [object].into_iter().chain(inner).collect()
}

fn message(prompt: Kind, id: Kind) -> Vec<Field> {
    within(
        must("message", OBJECT),
        vec![must("prompt", prompt), may("images", Kind::Images), may("id", id)],
    )
}

fn finalization() -> Vec<Field> {
    let fields = [flags(), vec![may("gateThreshold", Kind::Gate)]].concat();
    within(may("finalization", OBJECT), fields)
}

fn flags() -> Vec<Field> {
    vec![
        may("autoCommit", Kind::Flag),
        may("condenseOnComplete", Kind::Flag),
    ]
}

fn callback_target() -> Vec<Field> {
    let fields = vec![must("url", Kind::CallbackUrl), may("headers", Kind::Headers)];
    within(may("callbackTarget", OBJECT), fields)
}

fn agent(make: fn(&str, Kind) -> Field) -> Vec<Field> {
    vec![
        make("mode", Kind::Mode),
        make("model", Kind::Model),
        may("variant", Kind::Variant),
    ]
}

fn start(form: &'static str, repository: Vec<Field>) -> Input {
    let profile = vec![
        may("envVars", Kind::Texts),
        may("setupCommands", Kind::List),
        may("appendSystemPrompt", Kind::Text),
        may("shallow", Kind::Flag),
    ];
    let options = [
        callback_target(),
        vec![
            may("kilocodeOrganizationId", Kind::Organization),
            may("createdOnPlatform", Kind::Text),
        ],
    ];
    let fields = [
        message(Kind::Prompt, Kind::FirstMessage),
        within(must("agent", OBJECT), agent(must)),
        finalization(),
        within(must("repository", OBJECT), repository),
        within(may("profile", OBJECT), profile),
        within(may("options", STRICT), options.concat()),
    ];
    open(START, form, fields.concat())
}

fn prepare(form: &'static str, own: Vec<Field>) -> Input {
    let fields = [
        vec![must("prompt", Kind::Prompt)],
        agent(must),
        own,
        vec![
            may("upstreamBranch", Kind::Text),
            may("envVars", Kind::Texts),
            may("setupCommands", Kind::List),
        ],
        callback_target(),
        flags(),
        vec![
            may("gateThreshold", Kind::Gate),
            may("appendSystemPrompt", Kind::Text),
            may("initialMessageId", Kind::Message),
            may("autoInitiate", Kind::Flag),
            may("shallow", Kind::Flag),
            may("createdOnPlatform", Kind::Text),
            may("kilocodeOrganizationId", Kind::Organization),
        ],
    ];
    open(PREPARE, form, fields.concat())
}

fn send_v2(form: &'static str, own: Vec<Field>) -> Input {
    let common = vec![
        must("cloudAgentSessionId", Kind::Session),
        may("messageId", Kind::Message),
    ];
    open(SEND_V2, form, [common, flags(), own].concat())
}

fn open(procedure: Procedure, form: &'static str, fields: Vec<Field>) -> Input {
    Input {
        procedure,
        form,
        is_strict: false,
        fields,
    }
}

fn payload_prompt() -> Vec<Field> {
    let turn = vec![must("type", Kind::Tag("prompt")), must("prompt", Kind::Prompt)];
    [turn, agent(may)].concat()
}

fn payload_command() -> Vec<Field> {
    vec![
        must("type", Kind::Tag("command")),
        must("command", Kind::Command),
        may("arguments", Kind::Text),
    ]
}

/// All forms of all inputs.
#[expect(clippy::too_many_lines, reason = "a table of inputs")]
pub fn all() -> Vec<Input> {
    let branch = || may("branch", Kind::Text);
    let tag = |name| must("type", Kind::Tag(name));
    let session = |name| vec![must(name, Kind::Session)];
    let strict = |procedure, fields| Input {
        is_strict: true,
        ..open(procedure, "", fields)
    };
    let github = || vec![must("githubRepo", Kind::Text)];
    let initial = |payload| [github(), within(may("initialPayload", OBJECT), payload)].concat();
    vec![
        start("github", vec![tag("github"), must("repo", Kind::Text), branch()]),
        start("gitlab", vec![tag("gitlab"), must("url", Kind::Text), branch()]),
        start(
            "git",
            vec![
                tag("git"),
                must("url", Kind::GitUrl),
                may("token", Kind::Text),
                branch(),
            ],
        ),
        open(
            SEND,
            "",
            [
                vec![must("cloudAgentSessionId", Kind::Session)],
                message(Kind::LongPrompt, Kind::Message),
                within(may("agent", OBJECT), agent(must)),
                finalization(),
            ]
            .concat(),
        ),
        prepare("github", github()),
        prepare(
            "git",
            vec![
                must("gitUrl", Kind::GitUrl),
                may("gitToken", Kind::Text),
                may("platform", Kind::Text),
            ],
        ),
        prepare(
            "gitlab",
            vec![
                must("gitUrl", Kind::Word("https://gitlab.example/a.git")),
                may("platform", Kind::Word("gitlab")),
            ],
        ),
        prepare("with a prompt as payload", initial(payload_prompt())),
        prepare("with a command as payload", initial(payload_command())),
        strict(INITIATE, session("cloudAgentSessionId")),
        send_v2(
            "flat",
            [
                vec![must("prompt", Kind::Prompt)],
                agent(must),
                vec![may("images", Kind::Images)],
            ]
            .concat(),
        ),
        send_v2(
            "prompt as payload",
            [
                within(must("payload", OBJECT), payload_prompt()),
                vec![may("images", Kind::Images)],
            ]
            .concat(),
        ),
        send_v2(
            "command as payload",
            within(must("payload", OBJECT), payload_command()),
        ),
        strict(
            UPDATE,
            [session("cloudAgentSessionId"), callback_target()].concat(),
        ),
        open(INTERRUPT, "", session("sessionId")),
        open(DELETE, "", session("sessionId")),
        open(GET_SESSION, "", session("cloudAgentSessionId")),
        open(GET_HEALTH, "", session("cloudAgentSessionId")),
        open(GET_LATEST, "", session("cloudAgentSessionId")),
    ]
}

impl Input {
    /// Name in failure lists.
    pub fn title(&self) -> String {
        let name = self.procedure.name;
        if self.form.is_empty() {
            name.to_owned()
        } else {
            format!("{name} ({})", self.form)
        }
    }

    /// A valid input with every field.
    pub fn maximal(&self, session: &str) -> Value {
        self.sample(session, |_| true)
    }

    /// A valid input with required fields only.
    pub fn minimal(&self, session: &str) -> Value {
        self.sample(session, |field| field.is_required)
    }

    fn sample(&self, session: &str, is_wanted: impl Fn(&Field) -> bool) -> Value {
        let mut input = json!({});
        for field in self.fields.iter().filter(|field| is_wanted(field)) {
            // Skip fields of a skipped object.
            if let Some(parent) = input.pointer_mut(&pointer(field.parent())) {
                parent[field.name()] = field.kind.sample(session);
            }
        }
        input
    }

    /// Returns whether the input names a session.
    pub fn names_session(&self) -> bool {
        self.fields.iter().any(|field| field.kind == Kind::Session)
    }

    /// The direct fields of an object.
    pub fn fields_in<'a>(&'a self, parent: &'a str) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().filter(move |field| field.parent() == parent)
    }
}

/// Converts a path with dots to a JSON pointer.
pub fn pointer(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!("/{}", path.replace('.', "/"))
    }
}

/// The containing object of `field` in an input with every field.
pub fn object_of<'a>(input: &'a mut Value, field: &Field) -> &'a mut Map<String, Value> {
    let parent = input.pointer_mut(&pointer(field.parent()));
    let object = parent.and_then(Value::as_object_mut);
    object.expect("the input has every object of its table")
}

impl Kind {
    /// A valid value.
    pub fn sample(self, session: &str) -> Value {
        match self {
            Self::Text => json!("text"),
            Self::Word(text) => json!(text),
            Self::Flag => json!(false),
            Self::Session => json!(session),
            Self::Message | Self::FirstMessage => json!(MESSAGE),
            Self::Mode => json!("code"),
            Self::Model => json!(MODEL),
            Self::Prompt | Self::LongPrompt => json!("__fake__:echo:hello"),
            Self::Variant => json!("high"),
            Self::Organization => json!("6f1b2c3d-0000-4000-8000-00000000abcd"),
            Self::Command => json!("review"),
            Self::Gate => json!("off"),
            Self::Images => json!([{"path": "a.png"}]),
            Self::Texts => json!({"KEY": "value"}),
            Self::List => json!(["make"]),
            Self::GitUrl => json!("https://git.example/a.git"),
            Self::CallbackUrl => json!("http://receiver:9200/callback"),
            Self::Headers => json!({"x-key": "value"}),
            Self::Tag(name) => json!(name),
            Self::Object { .. } => json!({}),
        }
    }
}
