//! The page of `turnstile up` and the example of a client, in a browser.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use crate::devtools::Page;
use crate::library::top;
use crate::playground::act;
use crate::tool::scratch;
use crate::up::Up;

/// Presses the button with this selector.
fn press(page: &mut Page, selector: &str) {
    page.evaluate(&format!("document.querySelector({selector:?}).click()"));
}

#[test]
fn a_session_is_shown_through_cuts_and_a_crash_and_saved() {
    let up = Up::start(&[]);
    let Some(mut page) = Page::open(&up.server()) else {
        return;
    };
    let badge = "document.querySelector('#messages b.badge')?.textContent";
    // A reply that waits at the gateway.
    page.evaluate("document.querySelector('#start-answer').value = 2");
    press(&mut page, "#start-form button");
    page.wait_for("!!document.querySelector('#waiting button')");
    page.wait_for("document.querySelector('#wrapper-state').textContent === 'wrapper connected'");

    // A message that is queued while the client's link is cut shows its badge after the cut.
    press(&mut page, "[data-link=wrapper] [data-do=cut]");
    page.wait_for("document.querySelector('[data-link=wrapper] .link-state').textContent === 'cut'");
    press(&mut page, "#send-form button");
    page.wait_for(&format!("{badge} === 'Queued'"));
    press(&mut page, "[data-link=client] [data-do=reset]");
    page.wait_for("document.querySelector('#stream-state').textContent.endsWith('closed')");
    page.wait_for("document.querySelector('#stream-state').textContent.endsWith('open')");
    page.wait_for(&format!("{badge} === 'Queued'"));
    for (width, scheme) in [(1400, "light"), (1400, "dark"), (420, "light"), (420, "dark")] {
        page.look(width, scheme);
        page.screenshot(&scratch(format!("up-{width}-{scheme}.png")));
        let overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth");
        assert_eq!(overflow, 0, "the page is wider than {width} px");
    }
    press(&mut page, "[data-link=wrapper] [data-do=heal]");

    press(&mut page, "#crash");
    page.wait_for("document.querySelector('#server-state').textContent === 'down'");
    press(&mut page, "#restart");
    page.wait_for("document.querySelector('#server-state').textContent === 'up'");
    press(&mut page, "#receiver-form button");
    page.wait_for("document.querySelector('#answers').textContent === 'pending: 500, 500'");
    press(&mut page, "#waiting button");
    page.wait_for("document.querySelector('#messages').innerText.includes('completed')");
    page.wait_for(&format!("!{badge}"));

    // A wrapper that crashed is asked for the next message when it is up again.
    press(&mut page, "#crash-wrapper");
    page.wait_for("document.querySelector('#wrapper-process').textContent === 'down'");
    page.wait_for("document.querySelector('#wrapper-state').textContent === 'wrapper not connected'");
    press(&mut page, "#restart-wrapper");
    page.wait_for("document.querySelector('#wrapper-process').textContent === 'up'");
    page.evaluate("document.querySelector('#send-answer').value = 2");
    press(&mut page, "#send-form button");
    page.wait_for("!!document.querySelector('#waiting button')");
    // The reply that waits at the gateway is lost with its connection.
    press(&mut page, "[data-link=gateway] [data-do=reset]");
    page.wait_for("document.querySelector('#messages').innerText.includes('failed')");
    page.wait_for("!document.querySelector('#waiting button')");

    let script =
        page.evaluate("fetch(document.querySelector('#save-scenario').href).then((answer) => answer.text())");
    let script = script.as_str().expect("the page has a script");
    for step in [
        "start:",
        "cut: {between: [wrapper, server]",
        "crash: {party: server",
        "release: hold",
        "crash: {party: wrapper",
        "reset: {between: [wrapper, gateway]}",
    ] {
        assert!(script.contains(step), "no {step} in\n{script}");
    }
    assert_eq!(page.evaluate("document.body.dataset.error ?? ''"), "");
}

#[test]
fn controls_have_names_and_the_page_has_landmarks() {
    let up = Up::start(&[]);
    let Some(mut page) = Page::open(&up.server()) else {
        return;
    };
    let nameless = page.evaluate(
        "[...document.querySelectorAll('button, a, input, select, textarea')]
            .filter((control) => !(control.textContent.trim() && control.matches('button, a')) && !control.labels?.length)
            .map((control) => control.outerHTML).join()",
    );
    assert_eq!(nameless, "");
    let landmarks = page.evaluate(
        "['header', 'nav', 'main', 'h1'].map((name) => document.querySelectorAll(name).length).join()",
    );
    assert_eq!(landmarks, "1,1,1,1");
}

/// Serves a page at every path of a free port, until the process ends.
fn served(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection is accepted");
            // Browsers open connections that they do not use.
            let Ok(1..) = stream.read(&mut [0; 4096]) else {
                continue;
            };
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n";
            // The browser may close it first.
            let _ = write!(stream, "{head}content-length: {}\r\n\r\n{page}", page.len());
        }
    });
    format!("http://localhost:{}", address.port())
}

#[test]
fn the_example_client_of_another_origin_keeps_its_badges_through_a_cut() {
    let up = Up::start(&[]);
    let example = top().join("sim/examples/clients/badges.html");
    let example = fs::read_to_string(example).expect("the example can be read");
    let client = format!("{}/?server={}", served(example), up.server());
    let Some(mut page) = Page::open(&client) else {
        return;
    };
    let shows = |page: &mut Page, what: &str| {
        page.wait_for(&format!(
            "document.querySelector('#messages').innerText.includes({what:?})"
        ));
    };
    let send = |page: &mut Page, text: &str| {
        page.evaluate(&format!("document.querySelector('#text').value = {text:?}"));
        press(page, "form button");
    };
    send(&mut page, "Hello");
    shows(&mut page, "Hello Hello");
    let session = page.evaluate("document.querySelector('#state').textContent.split(':')[0]");
    let act = |action: &str, link: &str| act_on(&up, &session, action, link);
    act("cut", "wrapper");
    send(&mut page, "Again");
    shows(&mut page, "Again [Queued]");
    act("cut", "client");
    act("reset", "client");
    page.wait_for("document.querySelector('#state').textContent.endsWith(': disconnected')");
    act("heal", "client");
    page.wait_for("document.querySelector('#state').textContent.endsWith(': connected')");
    shows(&mut page, "Again [Queued]");
    act("heal", "wrapper");
    shows(&mut page, "Again Again");
}

fn act_on(up: &Up, session: &Value, action: &str, link: &str) {
    act(
        &up.server(),
        &json!({"action": action, "session": session, "link": link}),
    );
}
