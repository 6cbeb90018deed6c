//! A plain HTTP client over a socket, so that what is tested is what goes over the wire.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::tillrace::HANG;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    /// The value of a header, by its name in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn assert_status(self, status: u16) -> Reply {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A connection.
pub(crate) fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, HANG).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream.set_write_timeout(Some(HANG)).unwrap();
    BufReader::new(stream)
}

/// Gets what is at `path`, with further header lines, over a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &[&str]) -> Reply {
    request(address, "GET", path, headers).unwrap()
}

/// Sends a request without a body over a connection of its own.
pub(crate) fn request(address: SocketAddr, method: &str, path: &str, headers: &[&str]) -> io::Result<Reply> {
    let mut connection = connect(address);
    let has_host = headers.iter().any(|header| header.starts_with("Host:"));
    let host = if has_host { String::new() } else { format!("Host: {address}\r\n") };
    let headers: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
    let request = format!("{method} {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes())?;
    read_reply(&mut connection, method == "HEAD")
}

/// Reads one answer, and nothing behind it.
pub(crate) fn read_reply(connection: &mut BufReader<TcpStream>, is_head: bool) -> io::Result<Reply> {
    let (status, headers) = read_head(connection)?;
    let mut reply = Reply { status, headers, body: String::new() };
    if is_head {
        return Ok(reply);
    }
    if reply.header("transfer-encoding") == Some("chunked") {
        Chunks::new(connection).read_to_string(&mut reply.body)?;
    } else {
        let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        connection.take(length).read_to_string(&mut reply.body)?;
    }
    Ok(reply)
}

fn read_head(connection: &mut BufReader<TcpStream>) -> io::Result<(u16, Vec<(String, String)>)> {
    let mut line = || -> io::Result<String> {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    };
    let first = line()?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status line: {first:?}"));
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(": ") else { return Ok((status, headers)) };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
}

/// What is inside the chunks of a body.
struct Chunks<R> {
    inner: R,
    left: usize,
    is_over: bool,
}

impl<R: BufRead> Chunks<R> {
    fn new(inner: R) -> Chunks<R> {
        Chunks { inner, left: 0, is_over: false }
    }
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_over {
            return Ok(0);
        }
        if self.left == 0 {
            let mut line = String::new();
            self.inner.read_line(&mut line)?;
            self.left = usize::from_str_radix(line.trim_end(), 16)
                .map_err(|_| io::Error::new(io::ErrorKind::UnexpectedEof, format!("no chunk: {line:?}")))?;
            self.is_over = self.left == 0;
        }
        let count = buffer.len().min(self.left);
        let count = self.inner.read(&mut buffer[..count])?;
        self.left -= count;
        if self.left == 0 {
            // The line end behind a chunk, or behind them all.
            self.inner.read_line(&mut String::new())?;
        }
        Ok(count)
    }
}

/// An event of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// The events of a stream as they come. Ends where the stream does.
pub(crate) struct Events(BufReader<Chunks<BufReader<TcpStream>>>);

impl Events {
    /// Listens from the beginning, or after the event `last_id`.
    pub(crate) fn listen(address: SocketAddr, last_id: Option<&str>) -> Events {
        let mut connection = connect(address);
        let last_id = last_id.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        let request = format!("GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n{last_id}\r\n");
        connection.get_mut().write_all(request.as_bytes()).unwrap();
        Events::after(connection)
    }

    /// Of a connection on which a stream has been asked for.
    pub(crate) fn after(mut connection: BufReader<TcpStream>) -> Events {
        let (status, headers) = read_head(&mut connection).unwrap();
        assert_eq!(status, 200, "{headers:?}");
        let is_events = |(name, value): &(String, String)| name == "content-type" && value == "text/event-stream";
        assert!(headers.iter().any(is_events), "{headers:?}");
        Events(BufReader::new(Chunks::new(connection)))
    }

    /// The next one of this name; those before it are dropped.
    #[track_caller]
    pub(crate) fn next_of(&mut self, name: &str) -> Event {
        self.find(|event| event.name == name).unwrap_or_else(|| panic!("the stream ended without {name}"))
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let (mut id, mut name, mut data) = (None, None, None);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end_matches('\n').split_once(": ") {
                Some(("id", value)) => id = Some(value.to_owned()),
                Some(("event", value)) => name = Some(value.to_owned()),
                Some(("data", value)) => data = Some(serde_json::from_str(value).unwrap()),
                // A comment, or when to come back.
                Some(("" | "retry", _)) => {}
                None if line == "\n" => {
                    if let (Some(name), Some(data)) = (name.take(), data.take()) {
                        return Some(Event { id, name, data });
                    }
                }
                _ => panic!("not of a stream: {line:?}"),
            }
        }
    }
}
