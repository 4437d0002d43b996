//! Stands between a program and the server, and counts what goes from one to the other: round trips and statements.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::server::Schema;
use crate::way::Way;

/// What went over a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// How often somebody waited for the server: what is sent before the answer to all of it has come goes together.
    pub(crate) trips: u32,
    /// Statements, without what begins and ends transactions.
    pub(crate) statements: u32,
}

/// What stands in between.
pub(crate) struct Counter {
    pub(crate) url: String,
    count: Arc<Mutex<Count>>,
}

impl Counter {
    pub(crate) async fn stand(schema: &Schema) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let server = Way::of(schema);
        let port = listener.local_addr().expect("it listens").port();
        let url = Way { host: "127.0.0.1".to_owned(), port, ..Way::of(schema) }.url();
        let count = Arc::<Mutex<Count>>::default();
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((server.host.as_str(), server.port)).await.expect("the server answers");
                let counted = Arc::clone(&counted);
                tokio::spawn(async move { pass_on(client, server, &counted).await });
            }
        });
        Self { url, count }
    }

    /// What this takes.
    pub(crate) async fn of<T>(&self, work: impl Future<Output = T>) -> (Count, T) {
        *self.count.lock().expect("nobody panicked") = Count::default();
        let done = work.await;
        (*self.count.lock().expect("nobody panicked"), done)
    }
}

async fn pass_on(mut client: TcpStream, mut server: TcpStream, count: &Mutex<Count>) -> std::io::Result<()> {
    let (mut said, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    // The first message of a connection has no type.
    let (mut asks, mut answers) = (Messages { is_typed: false, ..Messages::default() }, Messages::default());
    let (mut is_waiting, mut unanswered) = (false, 0_u32);
    loop {
        tokio::select! {
            biased;
            length = server.read(&mut answered) => match &answered[..length?] {
                [] => return Ok(()),
                answered => {
                    // ReadyForQuery: all that came before a Query or Sync is answered.
                    let ready = answers.begun_in(answered).iter().filter(|of| **of == b'Z').count();
                    unanswered = unanswered.saturating_sub(u32::try_from(ready).expect("few"));
                    is_waiting &= unanswered > 0;
                    client.write_all(answered).await?;
                }
            },
            length = client.read(&mut said) => match &said[..length?] {
                [] => return Ok(()),
                said => {
                    for of in asks.begun_in(said) {
                        let mut count = count.lock().expect("nobody panicked");
                        count.trips += u32::from(!is_waiting);
                        // Execute.
                        count.statements += u32::from(of == b'E');
                        // Query, Sync.
                        unanswered += u32::from(of == b'Q' || of == b'S');
                        is_waiting = true;
                    }
                    server.write_all(said).await?;
                }
            },
        }
    }
}

/// Messages as they go by: a type, a length that counts itself, and the rest.
struct Messages {
    is_typed: bool,
    head: Vec<u8>,
    left: usize,
}

impl Default for Messages {
    fn default() -> Self {
        Self { is_typed: true, head: Vec::new(), left: 0 }
    }
}

impl Messages {
    /// The types of those whose beginnings are whole with these bytes.
    fn begun_in(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut begun = Vec::new();
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let passed = self.left.min(bytes.len());
                self.left -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            self.head.push(*first);
            bytes = rest;
            let of = usize::from(self.is_typed);
            if let Some(length) = self.head.get(of..).and_then(|length| <[u8; 4]>::try_from(length).ok()) {
                self.left = usize::try_from(u32::from_be_bytes(length)).expect("a length") - 4;
                begun.extend(self.head.first().filter(|_| self.is_typed));
                self.is_typed = true;
                self.head.clear();
            }
        }
        begun
    }
}
