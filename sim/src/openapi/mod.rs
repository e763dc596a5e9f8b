//! The OpenAPI document of the procedures, for clients in any language.
//!
//! The schemas are written from the protocol, not from the server's types, and a test compares them with what passes on
//! the wire. `turnstile docs` writes the document to `reference/openapi.json`, and `turnstile up` serves it.

pub mod answers;
pub mod inputs;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Where a document has its schemas.
const SCHEMAS: &str = "/components/schemas";
/// Media type of inputs and answers.
const JSON: &str = "application/json";
/// The input whose message id may be absent and not `null` (R2.33).
const FIRST_MESSAGE: &str = "FirstMessage";

/// Who may call a procedure.
#[derive(Clone, Copy)]
enum Access {
    Anybody,
    User,
    Internal,
}

/// Writes the schema of a type, as a reference.
type SchemaOf = fn(&mut SchemaGenerator) -> Value;

/// A procedure in the document.
struct Procedure {
    name: &'static str,
    summary: &'static str,
    access: Access,
    /// Whether GET is possible too.
    is_query: bool,
    input: Option<SchemaOf>,
    answer: SchemaOf,
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

/// A mutation that a user may call.
const fn mutation(name: &'static str, summary: &'static str, input: SchemaOf, answer: SchemaOf) -> Procedure {
    Procedure {
        name,
        summary,
        access: Access::User,
        is_query: false,
        input: Some(input),
        answer,
    }
}

const PROCEDURES: [Procedure; 12] = [
    Procedure {
        access: Access::Anybody,
        is_query: true,
        input: None,
        ..mutation(
            "health",
            "Reports that the server runs",
            of::<Value>,
            of::<answers::Health>,
        )
    },
    mutation(
        "start",
        "Creates a session and admits its first message",
        of::<inputs::Start>,
        of::<answers::Started>,
    ),
    mutation(
        "send",
        "Admits a further message",
        of::<inputs::Send>,
        of::<answers::Sent>,
    ),
    mutation(
        "interruptSession",
        "Interrupts all accepted and pending messages",
        of::<inputs::OfSessionId>,
        of::<answers::Interrupted>,
    ),
    Procedure {
        is_query: true,
        ..mutation(
            "getSession",
            "Returns the session's metadata",
            of::<inputs::OfSession>,
            of::<answers::SessionView>,
        )
    },
    mutation(
        "getSessionHealth",
        "Returns the state of the sandbox and of the current message work",
        of::<inputs::OfSession>,
        of::<answers::SessionHealth>,
    ),
    Procedure {
        is_query: true,
        ..mutation(
            "getLatestAssistantMessage",
            "Returns the last assistant message",
            of::<inputs::OfSession>,
            of::<answers::LatestAssistantMessage>,
        )
    },
    mutation(
        "deleteSession",
        "Deletes the session",
        of::<inputs::OfSessionId>,
        of::<answers::Success>,
    ),
    Procedure {
        access: Access::Internal,
        ..mutation(
            "prepareSession",
            "Creates a session and stores its first message without admitting it (V2)",
            of::<inputs::PrepareSession>,
            of::<answers::Prepared>,
        )
    },
    mutation(
        "initiateFromKilocodeSessionV2",
        "Admits the message that `prepareSession` stored (V2)",
        of::<inputs::Initiate>,
        of::<answers::SentV2>,
    ),
    mutation(
        "sendMessageV2",
        "Admits a further message (V2)",
        of::<inputs::SendMessageV2>,
        of::<answers::SentV2>,
    ),
    Procedure {
        access: Access::Internal,
        ..mutation(
            "updateSession",
            "Sets or removes the callback target (V2)",
            of::<inputs::UpdateSession>,
            of::<answers::Success>,
        )
    },
];

/// The document, in OpenAPI 3.1.
pub fn document() -> Value {
    let settings =
        || SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = SCHEMAS.into());
    let mut of_inputs = settings().into_generator();
    let mut of_answers = settings().into_generator();
    let refusal = of::<answers::Refusal>(&mut of_answers);
    let mut paths = Map::new();
    for procedure in &PROCEDURES {
        let operations = operations(procedure, &refusal, &mut of_inputs, &mut of_answers);
        paths.insert(format!("/trpc/{}", procedure.name), operations);
    }
    paths.insert("/stream".to_owned(), stream());
    let mut schemas = of_answers.take_definitions(true);
    for schema in schemas.values_mut() {
        remove_nulls(schema);
    }
    let mut inputs = of_inputs.take_definitions(true);
    if let Some(Value::Object(id)) = inputs
        .get_mut(FIRST_MESSAGE)
        .map(|message| &mut message["properties"]["id"])
    {
        remove_null(id);
    }
    schemas.extend(inputs);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Session server",
            "version": "1",
            "description": "The procedures of the session server, as tRPC over HTTP without batching. \
                            PROTOCOL.md is the specification, and describes the events of the stream.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "user": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "internal": {"type": "apiKey", "in": "header", "name": "x-internal-api-key"},
            },
        },
    })
}

/// The document as the text of a file.
pub fn text() -> String {
    format!("{:#}\n", document())
}

/// The operations of a procedure.
fn operations(
    procedure: &Procedure,
    refusal: &Value,
    of_inputs: &mut SchemaGenerator,
    of_answers: &mut SchemaGenerator,
) -> Value {
    let answer = (procedure.answer)(of_answers);
    let input = procedure.input.map(|input| input(of_inputs));
    let operation = |id: String| {
        let security = match procedure.access {
            Access::Anybody => json!([]),
            Access::User => json!([{"user": []}]),
            Access::Internal => json!([{"user": [], "internal": []}]),
        };
        json!({
            "operationId": id,
            "summary": procedure.summary,
            "security": security,
            "responses": responses(&answer, refusal),
        })
    };
    let mut post = operation(procedure.name.to_owned());
    if let Some(input) = &input {
        post["requestBody"] = json!({"required": true, "content": {JSON: {"schema": input}}});
    }
    let mut operations = json!({"post": post});
    if procedure.is_query {
        let mut get = operation(format!("{}ByGet", procedure.name));
        if let Some(input) = &input {
            let parameter = json!({"name": "input", "in": "query", "required": true, "content": {JSON: {"schema": input}}});
            get["parameters"] = json!([parameter]);
        }
        operations["get"] = get;
    }
    operations
}

/// The responses of a procedure: its data or a refusal.
fn responses(answer: &Value, refusal: &Value) -> Value {
    let data = json!({"type": "object", "properties": {"data": answer}, "required": ["data"]});
    let success = json!({"type": "object", "properties": {"result": data}, "required": ["result"]});
    json!({
        "200": {"description": "Success", "content": {JSON: {"schema": success}}},
        "default": {"description": "A refusal", "content": {JSON: {"schema": refusal}}},
    })
}

/// The stream of a session.
fn stream() -> Value {
    let parameter = |name: &str, is_required: bool, description: &str| {
        json!({
            "name": name, "in": "query", "required": is_required, "description": description,
            "schema": {"type": "string"},
        })
    };
    json!({"get": {
        "operationId": "stream",
        "summary": "Opens the WebSocket of a session's events",
        "security": [],
        "parameters": [
            parameter("cloudAgentSessionId", true, "The session"),
            parameter("ticket", true, "A ticket for this session"),
            parameter("fromId", false, "Events with a higher id are replayed"),
            parameter("replay", false, "`false`: no event is replayed"),
            parameter("eventTypes", false, "Only these types, separated by commas"),
            parameter("executionIds", false, "Only rows of these executions, separated by commas"),
            parameter("startTime", false, "Only events from this time, in Unix milliseconds or ISO 8601"),
            parameter("endTime", false, "Only events up to this time"),
        ],
        "responses": {
            "101": {"description": "Every frame is one event"},
            "400": {"description": "The session or a parameter is malformed"},
            "401": {"description": "The ticket is missing, invalid or expired"},
            "403": {"description": "The ticket is for another session"},
            "404": {"description": "No such session"},
            "426": {"description": "The request is not an upgrade"},
        },
    }})
}

/// Removes `null` from what the optional fields of an object may be.
fn remove_nulls(schema: &mut Value) {
    let required = schema["required"].clone();
    let is_required = |name: &String| {
        let required = required.as_array();
        required.is_some_and(|required| required.iter().any(|required| required == name))
    };
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        if let Some(fields) = property.as_object_mut().filter(|_| !is_required(name)) {
            remove_null(fields);
        }
    }
}

/// Removes `null` from the types of a schema, or from its variants.
fn remove_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [kind] = &types[..] {
            let kind = kind.clone();
            schema.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(mut variants)) = schema.remove("anyOf") {
        variants.retain(|variant| variant["type"] != "null");
        match variants.pop() {
            Some(Value::Object(only)) if variants.is_empty() => schema.extend(only),
            last => {
                variants.extend(last);
                schema.insert("anyOf".to_owned(), variants.into());
            }
        }
    }
}
