//! Other ways to the server: as another user, and by what stands in between.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::server::Schema;

/// How the server is reached.
pub(crate) struct Way {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) database: String,
}

impl Way {
    pub(crate) fn of(schema: &Schema) -> Self {
        let config: Config = schema.url.parse().expect("the URL can be read");
        let Some(Host::Tcp(host)) = config.get_hosts().first() else { unreachable!("the server has an address") };
        let user = config.get_user().expect("the URL names a user");
        Self {
            host: host.clone(),
            port: config.get_ports().first().copied().unwrap_or(5_432),
            user: user.to_owned(),
            password: String::from_utf8_lossy(config.get_password().unwrap_or(b"none")).into_owned(),
            database: config.get_dbname().unwrap_or(user).to_owned(),
        }
    }

    pub(crate) fn url(&self) -> String {
        let Self { host, port, user, password, database } = self;
        format!("host={host} port={port} user={user} password='{password}' dbname={database} sslmode=disable")
    }
}

/// What stands in between does with connections.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Does {
    PassOn,
    /// As a pooler may: what they ask for at their beginning does not reach the server.
    DropOptions,
    /// Cuts one of them, when a program says this: that does not reach the server.
    CutOne(&'static str),
}

/// Stands between programs and the server, and hears what connections begin with.
pub(crate) struct Between {
    pub(crate) way: Way,
    heard: Arc<Heard>,
}

struct Heard {
    does: Does,
    begun: Mutex<Vec<String>>,
    has_cut: AtomicBool,
}

impl Between {
    pub(crate) async fn stand(schema: &Schema, does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let server = Way::of(schema);
        let port = listener.local_addr().expect("it listens").port();
        let way = Way { host: "127.0.0.1".to_owned(), port, ..Way::of(schema) };
        let heard = Arc::new(Heard { does, begun: Mutex::default(), has_cut: AtomicBool::new(false) });
        let between = Self { way, heard: Arc::clone(&heard) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((server.host.as_str(), server.port)).await.expect("the server answers");
                let heard = Arc::clone(&heard);
                tokio::spawn(async move { heard.pass_on(client, server).await });
            }
        });
        between
    }

    /// The options of each connection.
    pub(crate) fn begun(&self) -> Vec<String> {
        self.heard.begun.lock().expect("nobody panicked").clone()
    }

    pub(crate) fn has_cut(&self) -> bool {
        self.heard.has_cut.load(Ordering::SeqCst)
    }
}

impl Heard {
    async fn pass_on(&self, mut client: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
        self.begin(&mut client, &mut server).await?;
        let (mut said, mut answered) = (vec![0; 16_384], vec![0; 16_384]);
        loop {
            tokio::select! {
                length = client.read(&mut said) => match &said[..length?] {
                    [] => return Ok(()),
                    said if self.cuts(said) => return Ok(()),
                    said => server.write_all(said).await?,
                },
                length = server.read(&mut answered) => match &answered[..length?] {
                    [] => return Ok(()),
                    answered => client.write_all(answered).await?,
                },
            }
        }
    }

    fn cuts(&self, said: &[u8]) -> bool {
        let Does::CutOne(word) = self.does else { return false };
        let is_said = said.windows(word.len()).any(|window| window == word.as_bytes());
        is_said && !self.has_cut.swap(true, Ordering::SeqCst)
    }

    /// A connection begins with its length, the protocol's version, and names and values, each closed by a zero; so is the whole.
    async fn begin(&self, client: &mut TcpStream, server: &mut TcpStream) -> std::io::Result<()> {
        let length = client.read_u32().await?;
        let version = client.read_u32().await?;
        let mut rest = vec![0; usize::try_from(length).expect("a length") - 8];
        client.read_exact(&mut rest).await?;
        // One that asks for a cancellation begins otherwise.
        if version == 0x0003_0000 {
            let words: Vec<_> = rest.split(|byte| *byte == 0).collect();
            let (mut kept, mut options) = (Vec::new(), String::new());
            for pair in words.chunks_exact(2).take_while(|pair| !pair[0].is_empty()) {
                let is_option = pair[0] == b"options";
                if is_option {
                    options = String::from_utf8_lossy(pair[1]).into_owned();
                }
                if !is_option || self.does != Does::DropOptions {
                    kept.extend([pair[0], b"\0", pair[1], b"\0"].concat());
                }
            }
            kept.push(0);
            self.begun.lock().expect("nobody panicked").push(options);
            rest = kept;
        }
        server.write_u32(u32::try_from(rest.len() + 8).expect("a length")).await?;
        server.write_u32(version).await?;
        server.write_all(&rest).await
    }
}
