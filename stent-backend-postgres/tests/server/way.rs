//! Other ways to the server: as another user, and by what stands in between.

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

/// Stands between programs and the server, and hears what connections begin with.
pub(crate) struct Between {
    pub(crate) way: Way,
    begun: Arc<Mutex<Vec<String>>>,
}

impl Between {
    /// Passes on what connections ask for at their beginning, or drops it as a pooler may.
    pub(crate) async fn stand(schema: &Schema, drops_options: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let (server, begun) = (Way::of(schema), Arc::<Mutex<Vec<String>>>::default());
        let port = listener.local_addr().expect("it listens").port();
        let way = Way { host: "127.0.0.1".to_owned(), port, ..Way::of(schema) };
        let heard = Arc::clone(&begun);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((server.host.as_str(), server.port)).await.expect("the server answers");
                tokio::spawn(pass_on(client, server, drops_options, Arc::clone(&heard)));
            }
        });
        Self { way, begun }
    }

    /// The options of each connection.
    pub(crate) fn begun(&self) -> Vec<String> {
        self.begun.lock().expect("nobody panicked").clone()
    }
}

/// A connection begins with its length, the protocol's version, and names and values, each closed by a zero; so is the whole.
async fn pass_on(
    mut client: TcpStream,
    mut server: TcpStream,
    drops_options: bool,
    begun: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let length = client.read_u32().await?;
    let version = client.read_u32().await?;
    let mut rest = vec![0; usize::try_from(length).expect("a length") - 8];
    client.read_exact(&mut rest).await?;
    let words: Vec<_> = rest.split(|byte| *byte == 0).collect();
    let (mut kept, mut options) = (Vec::new(), None);
    for pair in words.chunks_exact(2).take_while(|pair| !pair[0].is_empty()) {
        if pair[0] == b"options" {
            options = Some(String::from_utf8_lossy(pair[1]).into_owned());
        }
        if pair[0] != b"options" || !drops_options {
            kept.extend([pair[0], b"\0", pair[1], b"\0"].concat());
        }
    }
    kept.push(0);
    // One that asks for a cancellation begins otherwise.
    if version == 0x0003_0000 {
        begun.lock().expect("nobody panicked").push(options.unwrap_or_default());
    } else {
        kept = rest;
    }
    server.write_u32(u32::try_from(kept.len() + 8).expect("a length")).await?;
    server.write_u32(version).await?;
    server.write_all(&kept).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}
