//! `/v1/realtime` and `/v1/responses` as WebSockets.
//!
//! Each answers `response.create`, and ends when it is told to, so that a client
//! can be seen to connect again: `{"type": "emulator.close", "code": 1012}`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde_json::{Value, json};

use super::{Caller, responses};
use crate::openai::OpenAi;

/// What a socket says first, and to a request for an answer.
#[derive(Clone, Copy)]
enum Dialect {
    Realtime,
    Responses,
}

pub(super) async fn realtime(
    state: State<Arc<OpenAi>>,
    caller: Extension<Caller>,
    upgrade: WebSocketUpgrade,
) -> Response {
    accept(state.0, caller.0, upgrade, Dialect::Realtime)
}

pub(super) async fn responses(
    state: State<Arc<OpenAi>>,
    caller: Extension<Caller>,
    upgrade: WebSocketUpgrade,
) -> Response {
    accept(state.0, caller.0, upgrade, Dialect::Responses)
}

fn accept(
    openai: Arc<OpenAi>,
    caller: Caller,
    upgrade: WebSocketUpgrade,
    dialect: Dialect,
) -> Response {
    // Browsers' way, and that of the SDKs that share code with them.
    let upgrade = upgrade.protocols(["realtime"]);
    upgrade.on_upgrade(move |socket| async move {
        openai.world.counting.add(|counters| counters.sockets += 1);
        // An error is a client that hung up.
        let _ = talk(socket, &caller, dialect).await;
    })
}

async fn talk(mut socket: WebSocket, caller: &Caller, dialect: Dialect) -> Result<(), axum::Error> {
    if let Dialect::Realtime = dialect {
        let session =
            json!({"type": "realtime", "object": "realtime.session", "id": "sess_emulator"});
        let created = json!({"type": "session.created", "event_id": "event_1", "session": session});
        socket.send(Message::text(created.to_string())).await?;
    }
    while let Some(message) = socket.recv().await {
        let Message::Text(text) = message? else {
            continue;
        };
        let asked: Value = serde_json::from_str(&text).unwrap_or_default();
        match asked["type"].as_str() {
            Some("response.create") => {
                for event in answer(caller, dialect, &asked) {
                    socket.send(Message::text(event.to_string())).await?;
                }
            }
            Some("emulator.close") => {
                let code = asked["code"].as_u64().and_then(|code| code.try_into().ok());
                let frame = CloseFrame {
                    code: code.unwrap_or(1012),
                    reason: "asked for".into(),
                };
                return socket.send(Message::Close(Some(frame))).await;
            }
            _ => {}
        }
    }
    Ok(())
}

fn answer(caller: &Caller, dialect: Dialect, asked: &Value) -> Vec<Value> {
    match dialect {
        Dialect::Responses => {
            let model = asked["model"].as_str().unwrap_or("gpt-5-mini");
            responses::events(caller, model, &asked["input"])
        }
        Dialect::Realtime => {
            let text = caller.greeting();
            let content = json!([{"type": "output_text", "text": text}]);
            let item = json!({
                "id": "item_1", "object": "realtime.item", "type": "message",
                "status": "completed", "role": "assistant", "content": content,
            });
            let response = json!({
                "id": "resp_1", "object": "realtime.response", "status": "completed",
                "output": [item],
            });
            vec![
                json!({
                    "type": "response.output_text.done", "event_id": "event_2",
                    "response_id": "resp_1", "item_id": "item_1", "output_index": 0,
                    "content_index": 0, "text": text,
                }),
                json!({"type": "response.done", "event_id": "event_3", "response": response}),
            ]
        }
    }
}
