use std::net::TcpListener;

use turnstile_seams::error_chain::with_sources;

use super::*;

const LIMIT: Duration = Duration::from_millis(100);

fn given(address: SocketAddr) -> GivenServer {
    GivenServer {
        address,
        restart_command: None,
        test_clock: None,
    }
}

#[test]
fn a_server_that_does_not_come_back_is_reported_with_its_address_and_the_output_of_the_command() {
    let reserved = port::reserve((Ipv4Addr::LOCALHOST, 0).into()).expect("a port is free");
    let address = reserved.local_addr().expect("it is bound");
    let error = given(address)
        .restart_by("echo still starting", LIMIT)
        .expect_err("no server is there");
    let text = with_sources(&error);
    for part in [
        "`echo still starting`",
        &address.to_string(),
        "within 0.1 s",
        "still starting",
        "refused",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_restart_command_that_fails_or_does_not_end_is_reported() {
    let server = given((Ipv4Addr::LOCALHOST, 1).into());
    let error = server
        .restart_by("echo no such pid; exit 3", LIMIT)
        .expect_err("it failed");
    assert!(error.to_string().contains("no such pid"), "{error}");
    let error = server.restart_by("sleep 60", LIMIT).expect_err("it does not end");
    assert!(error.to_string().contains("did not end within 0.1 s"), "{error}");
}

#[test]
fn a_server_is_back_when_it_keeps_a_connection() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = server.local_addr().expect("it is bound");
    given(address)
        .restart_by("true", Duration::from_secs(20))
        .expect("it listens");
}
