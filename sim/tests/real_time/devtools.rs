//! Drives a page in a headless Chromium by the DevTools protocol, in real time: the page belongs to a running server.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where its browser does not do as expected"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use turnstile_seams::websocket::{self, Message, WebSocket};
use turnstile_seams::{http_client, real};

use crate::chromium::browser;

/// The text before the address in the line that the browser prints when it listens.
const LISTENING: &str = "DevTools listening on ws://";
/// How long the page may take until something is so, in milliseconds.
const PATIENCE: u32 = 20_000;

/// An open page. The browser is killed when it is dropped.
pub struct Page {
    runtime: Runtime,
    socket: WebSocket,
    child: Child,
    _profile: TempDir,
    last_id: u64,
}

impl Page {
    /// Opens a page, or returns `None` without a browser.
    pub fn open(url: &str) -> Option<Self> {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new(browser()?)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
            ])
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let authority = lines.find_map(|line| {
            let line = line.unwrap();
            Some(line.strip_prefix(LISTENING)?.split('/').next()?.to_owned())
        });
        // The rest is read, so that the browser never blocks on it.
        std::thread::spawn(move || lines.for_each(drop));
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let socket = runtime.block_on(connect(&authority.unwrap(), url));
        let mut page = Self {
            runtime,
            socket,
            child,
            _profile: profile,
            last_id: 0,
        };
        page.wait_for("document.body?.dataset.ready === 'yes'");
        Some(page)
    }

    /// Sends a command and returns its result.
    fn command(&mut self, method: &str, parameters: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let command = json!({"id": id, "method": method, "params": parameters});
        let socket = &mut self.socket;
        self.runtime.block_on(async {
            socket.send(Message::text(command.to_string())).await.unwrap();
            loop {
                let message = socket.next().await.unwrap().unwrap();
                let Message::Text(text) = message else { continue };
                let answer: Value = serde_json::from_str(&text).unwrap();
                if answer["id"] == id {
                    return answer["result"].clone();
                }
            }
        })
    }

    /// Evaluates an expression in the page; a promise is awaited.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.command("Runtime.evaluate", &parameters);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page.
    pub fn wait_for(&mut self, expression: &str) {
        let waiting = format!(
            "new Promise((resolve) => {{
                const end = Date.now() + {PATIENCE};
                const look = () => ({expression}) ? resolve('') : Date.now() < end ? setTimeout(look, 20)
                    : resolve(document.body.innerText);
                look();
            }})"
        );
        // A navigation loses the promise.
        let text = (0..5)
            .map(|_| self.evaluate(&waiting))
            .find(|text| !text.is_null());
        assert_eq!(
            text.unwrap_or_default(),
            "",
            "the page never reached: {expression}"
        );
    }

    /// Sets the width of the window in pixels and the colour scheme.
    pub fn look(&mut self, width: u32, scheme: &str) {
        let metrics = json!({"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", &metrics);
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.command("Emulation.setEmulatedMedia", &media);
    }

    /// Writes a picture of the whole page.
    pub fn screenshot(&mut self, file: &Path) {
        let parameters = json!({"format": "png", "captureBeyondViewport": true});
        let result = self.command("Page.captureScreenshot", &parameters);
        let picture = BASE64_STANDARD.decode(result["data"].as_str().unwrap()).unwrap();
        std::fs::write(file, picture).unwrap();
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // It may have exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Opens a tab with this URL and connects to it.
async fn connect(authority: &str, url: &str) -> WebSocket {
    let network = real::seams().network;
    let request = Request::put(format!("http://{authority}/json/new?{url}"))
        .body(Full::<Bytes>::default())
        .unwrap();
    let response = http_client::send(&network, request).await.unwrap();
    let tab: Value = serde_json::from_slice(&http_client::read_body(response).await.unwrap()).unwrap();
    let debugger = tab["webSocketDebuggerUrl"].as_str().unwrap().parse().unwrap();
    websocket::open(&*network, &debugger, None).await.unwrap()
}
