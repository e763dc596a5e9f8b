//! The two addresses that a running server is configured with, shared by worlds that run side by side.
//!
//! A server knows one address for all wrappers and one for the callback receiver. [`Doors`] listens there and forwards each
//! request to the world that it is meant for: a wrapper's by the session id at the beginning of the path, a callback by
//! the first segment of its path, which is the name of a world. Faults are applied behind the doors, by each world.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{StatusCode, Uri};
use tokio::runtime::{Builder, Handle};
use turnstile_seams::latest::Latest;
use turnstile_seams::real::{self, MachineClock};
use turnstile_seams::{BoxFuture, ClockExt as _, Listener, Network, http_server};

use super::front;
use super::line::Activity;

/// How long a request waits until its session is known: a server may ask for the wrapper before the client has got
/// the answer with the session id.
const UNKNOWN: Duration = Duration::from_secs(5);

/// The shared addresses. Clones share them; they are served until the process ends.
#[derive(Debug, Clone)]
pub struct Doors(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    worlds: Latest<Worlds>,
    /// Counts requests and answers.
    activity: Activity,
    /// Where requests are forwarded, once the doors are open.
    runtime: OnceLock<Handle>,
}

#[derive(Debug, Default)]
struct Worlds {
    /// Where the front of the world with a session listens, by session id.
    fronts: BTreeMap<String, SocketAddr>,
    /// Where the receiver of a world listens, by the world's name.
    receivers: BTreeMap<String, SocketAddr>,
}

/// The place of one world behind the doors. Dropping it closes its part.
#[derive(Debug)]
pub struct Door {
    doors: Doors,
    name: String,
    front: Mutex<Option<SocketAddr>>,
    sessions: Mutex<Vec<String>>,
}

impl Doors {
    /// Listens for the requests of a server to all wrappers and to the receiver.
    ///
    /// # Errors
    ///
    /// If an address is not available, or the operating system refuses a thread.
    pub fn open(wrappers: SocketAddr, receiver: SocketAddr) -> io::Result<Self> {
        let doors = Self(Arc::default());
        let (sender, opened) = mpsc::channel();
        let shared = doors.clone();
        thread::Builder::new().name("doors".to_owned()).spawn(move || {
            let served = Builder::new_current_thread().enable_all().build().map(|runtime| {
                shared.0.runtime.get_or_init(|| runtime.handle().clone());
                runtime.block_on(serve(shared, wrappers, receiver, &sender));
            });
            if let Err(error) = served {
                // Nobody listens after the doors were opened.
                let _ = sender.send(Err(error));
            }
        })?;
        opened.recv().map_err(io::Error::other)??;
        Ok(doors)
    }

    /// The place of a new world with this name, which is a segment of a path.
    pub fn enter(&self, name: &str) -> Door {
        Door {
            doors: self.clone(),
            name: name.to_owned(),
            front: Mutex::default(),
            sessions: Mutex::default(),
        }
    }

    /// Where a request for a wrapper goes; `None` for a session of no world.
    async fn front_for(&self, uri: &Uri) -> Option<Uri> {
        let path = uri.path_and_query()?.as_str();
        let session = path.strip_prefix('/')?.split('/').next()?.to_lowercase();
        let mut changes = self.0.worlds.follow();
        let known = async {
            loop {
                let front = self.0.worlds.read(|worlds| worlds.fronts.get(&session).copied());
                match front {
                    Some(front) => return front,
                    None => changes.changed().await,
                }
            }
        };
        let front = MachineClock::default().timeout(UNKNOWN, known).await.ok()?;
        format!("http://{front}{path}").parse().ok()
    }

    /// Where a callback goes; `None` for a world that has ended.
    fn receiver_for(&self, uri: &Uri) -> Option<Uri> {
        let path = uri.path_and_query()?.as_str();
        let name = path.strip_prefix('/')?.split('/').next()?;
        let receiver = self.0.worlds.read(|worlds| worlds.receivers.get(name).copied())?;
        format!("http://{receiver}{path}").parse().ok()
    }
}

impl Door {
    /// Sets where the front of this world's wrappers listens.
    pub(super) fn set_front(&self, address: SocketAddr) {
        *locked(&self.front) = Some(address);
    }

    /// Sets where the receiver of this world listens.
    pub fn set_receiver(&self, address: SocketAddr) {
        let worlds = &self.doors.0.worlds;
        worlds.update(|worlds| worlds.receivers.insert(self.name.clone(), address));
    }

    /// A count that changes whenever a request or an answer is forwarded, of any world.
    pub(super) fn activity(&self) -> u64 {
        self.doors.0.activity.count()
    }

    /// Starts a task where requests are forwarded.
    pub(super) fn spawn(&self, task: BoxFuture<'static, ()>) {
        if let Some(runtime) = self.doors.0.runtime.get() {
            runtime.spawn(task);
        }
    }

    /// Adds a session of this world.
    pub(super) fn add_session(&self, session: &str) {
        let session = session.to_lowercase();
        if let Some(front) = *locked(&self.front) {
            let worlds = &self.doors.0.worlds;
            worlds.update(|worlds| worlds.fronts.insert(session.clone(), front));
            locked(&self.sessions).push(session);
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.doors.0.worlds.update(|worlds| {
            worlds.receivers.remove(&self.name);
            for session in locked(&self.sessions).iter() {
                worlds.fronts.remove(session);
            }
        });
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves both addresses without end, once `opened` has the result of listening.
async fn serve(
    doors: Doors,
    wrappers: SocketAddr,
    receiver: SocketAddr,
    opened: &mpsc::Sender<io::Result<()>>,
) {
    let network = real::seams().network;
    let listening = async {
        let wrappers = network.listen(&wrappers.to_string()).await?;
        Ok((wrappers, network.listen(&receiver.to_string()).await?))
    };
    let listeners: io::Result<(Box<dyn Listener>, Box<dyn Listener>)> = listening.await;
    let (wrappers, receiver) = match listeners {
        Ok(listeners) => listeners,
        Err(error) => {
            // The opener waits for it.
            let _ = opened.send(Err(error));
            return;
        }
    };
    let _ = opened.send(Ok(()));
    let activity = doors.0.activity.clone();
    let for_wrappers = router(&network, &activity, StatusCode::NOT_FOUND, {
        let doors = doors.clone();
        move |uri| {
            let doors = doors.clone();
            async move { doors.front_for(&uri).await }
        }
    });
    let for_receiver = router(&network, &activity, StatusCode::OK, move |uri| {
        std::future::ready(doors.receiver_for(&uri))
    });
    tokio::join!(
        http_server::serve(wrappers, for_wrappers),
        http_server::serve(receiver, for_receiver)
    );
}

/// Forwards each request to where `target` says, and answers `otherwise` if that is nowhere. A callback for a world that has
/// ended is accepted, so that it is not sent again.
fn router<F, T>(network: &Arc<dyn Network>, activity: &Activity, otherwise: StatusCode, target: F) -> Router
where
    F: Fn(Uri) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = Option<Uri>> + Send,
{
    let (network, activity) = (Arc::clone(network), activity.clone());
    Router::new().fallback(move |request: Request| {
        let (network, target) = (Arc::clone(&network), target.clone());
        let activity = activity.clone();
        async move {
            activity.add();
            let answer = match target(request.uri().clone()).await {
                Some(target) => front::forward_to(&network, target, request).await,
                None => {
                    let mut answer = Response::new(Body::empty());
                    *answer.status_mut() = otherwise;
                    answer
                }
            };
            activity.add();
            Ok::<_, Infallible>(answer)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_to_the_world_of_their_session_or_path_until_it_ends() {
        let doors = Doors(Arc::default());
        let door = doors.enter("play-1");
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        door.set_front(address(1));
        door.set_receiver(address(2));
        door.add_session("agent_A");
        let uri = |path: &str| path.parse::<Uri>().expect("a path");
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let front = runtime.block_on(doors.front_for(&uri("/agent_a/session/ready?x=1")));
        let front = front.map(|uri| uri.to_string());
        assert_eq!(
            front.as_deref(),
            Some("http://127.0.0.1:1/agent_a/session/ready?x=1")
        );
        let receiver = |doors: &Doors| {
            doors
                .receiver_for(&uri("/play-1/callback"))
                .map(|uri| uri.to_string())
        };
        assert_eq!(
            receiver(&doors).as_deref(),
            Some("http://127.0.0.1:2/play-1/callback")
        );
        assert_eq!(doors.receiver_for(&uri("/play-2/callback")), None);
        drop(door);
        assert_eq!(receiver(&doors), None);
        assert!(doors.0.worlds.read(|worlds| worlds.fronts.is_empty()));
    }
}
