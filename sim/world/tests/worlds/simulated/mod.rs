//! Tests of the world's guarantees, on small worlds of a few hosts.

mod connections;
mod crashes;
mod engine;
mod web;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use turnstile_events::world::WorldEvent;
use turnstile_fault::Link;
use turnstile_seams::{ByteStream, ClockExt as _};

use turnstile_world::{Machine, Stopped, World};

type Stream = Box<dyn ByteStream>;

fn world(seed: u64) -> World {
    World::new(seed, "2030-01-01T00:00:00Z".parse().unwrap())
}

/// Entries of all hosts so far.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }

    fn has(&self, entry: &str) -> bool {
        self.0.lock().unwrap().iter().any(|there| there == entry)
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Adds a host that accepts connections at port 80 and runs `handle` on each.
fn add_server<F>(
    world: &mut World,
    name: &str,
    handle: impl Fn(Machine, Stream) -> F + Copy + Send + Sync + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    world.add_host(name, move |machine| {
        Box::pin(async move {
            let authority = format!("{}:80", machine.name);
            let mut listener = machine.seams.network.listen(&authority).await.unwrap();
            loop {
                let stream = listener.accept().await.unwrap();
                tokio::spawn(handle(machine.clone(), stream));
            }
        })
    });
}

/// Adds a host that runs nothing by default, and returns its machine.
fn add_client(world: &mut World, name: &str) -> Machine {
    world.add_host(name, |_| Box::pin(async {}));
    world.machine(name).unwrap()
}

async fn echo(_: Machine, mut stream: Stream) {
    let mut bytes = [0; 256];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        if stream.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

async fn ask(stream: &mut Stream, question: &str) -> io::Result<String> {
    stream.write_all(question.as_bytes()).await?;
    let mut answer = vec![0; question.len()];
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8(answer).unwrap())
}

fn after(world: &World, duration: Duration) -> Option<Timestamp> {
    Some(world.now() + duration)
}
