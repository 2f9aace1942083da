//! A proxy that spoils what goes through it, between Kiln and a real server: bytes flipped, connections cut, replies dropped, silence,
//! slowness.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the proxy does to what goes through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The last byte of each answer that is longer than so many bytes is another.
    Flip(usize),
    /// Answers that are longer than so many bytes end there.
    Cut(usize),
    /// What is asked with `PUT` arrives, and its answer does not.
    DropReply,
    /// Connections are taken, and nothing is answered.
    Silence,
    /// So many bytes a second.
    Slow(usize),
    /// What was put is answered with 200 and not there: `PUT` never arrives.
    Forget,
    /// `507 Insufficient Storage` for each `PUT`.
    Full,
    /// `403 Forbidden` with a code of S3's for all that is asked.
    Refuse(&'static str),
    /// Each answer so many milliseconds later, and one of so many is `503 Slow Down`.
    Far(u64, usize),
}

/// A proxy to a port of this machine.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    fault: Mutex<Fault>,
    stopped: AtomicBool,
    /// Requests by method: GET, PUT, HEAD, others.
    requests: [AtomicUsize; 4],
}

impl State {
    fn fault(&self) -> Fault {
        *self.fault.lock().expect("a lock")
    }
}

impl Proxy {
    pub(crate) fn to(target: u16) -> Self {
        Self::at(0, target)
    }

    /// The same, on a port of one's own.
    pub(crate) fn at(port: u16, target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let state = Arc::new(State {
            fault: Mutex::new(Fault::None),
            stopped: AtomicBool::new(false),
            requests: Default::default(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&shared);
                thread::spawn(move || serve(client, target, &state));
            }
        });
        Self { port, state }
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.state.fault.lock().expect("a lock") = fault;
    }

    /// How many requests of a method there were.
    pub(crate) fn requests(&self, method: &str) -> usize {
        self.state.requests[kind(method.as_bytes())].load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn kind(request: &[u8]) -> usize {
    [b"GET".as_slice(), b"PUT", b"HEAD"].iter().position(|method| request.starts_with(method)).unwrap_or(3)
}

/// One connection: request by request.
fn serve(mut client: TcpStream, target: u16, state: &State) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", target)) else { return };
    let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
    while let Some((head, rest)) = self::head(&mut client) {
        let method = kind(&head);
        state.requests[method].fetch_add(1, Ordering::Relaxed);
        let body = length(&head).unwrap_or(0);
        let fault = state.fault();
        let put = method == 1;
        if fault == Fault::Silence {
            // Until the client gives up.
            let _ = client.read(&mut [0; 1 << 16]);
            while client.read(&mut [0; 1 << 16]).is_ok_and(|count| count > 0) {}
            break;
        }
        if let Fault::Far(milliseconds, _) = fault {
            thread::sleep(Duration::from_millis(milliseconds));
        }
        let mut asked = rest;
        if !fill(&mut client, &mut asked, body, fault) {
            break;
        }
        let all: usize = state.requests.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let answer = match fault {
            Fault::Forget if put => Some(("200 OK\r\nETag: \"x\"", String::new())),
            Fault::Full if put => Some(("507 Insufficient Storage", String::new())),
            Fault::Refuse(code) => Some(("403 Forbidden", format!("<Error><Code>{code}</Code></Error>"))),
            Fault::Far(_, one_of) if one_of > 0 && all.is_multiple_of(one_of) => Some(("503 Slow Down", String::new())),
            _ => None,
        };
        if let Some((code, body)) = answer {
            let answer = format!("HTTP/1.1 {code}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            if client.write_all(answer.as_bytes()).is_err() {
                break;
            }
            continue;
        }
        if server.write_all(&head).and_then(|()| server.write_all(&asked)).is_err() {
            break;
        }
        let Some((answer, rest)) = self::head(&mut server) else { break };
        let mut content = rest;
        let none = method == 2 || answer.starts_with(b"HTTP/1.1 204") || answer.starts_with(b"HTTP/1.1 304");
        let wanted = if none { 0 } else { length(&answer).unwrap_or(0) };
        if length(&answer).is_none() && !none {
            // In chunks: only errors are; they are passed on as they come.
            if client.write_all(&answer).and_then(|()| client.write_all(&content)).is_err() {
                break;
            }
            let _ = std::io::copy(&mut server, &mut client);
            break;
        }
        if !fill(&mut server, &mut content, wanted, Fault::None) {
            break;
        }
        match fault {
            Fault::DropReply if put => break,
            Fault::Flip(least) if content.len() > least => {
                if let Some(last) = content.last_mut() {
                    *last ^= 1;
                }
            }
            Fault::Cut(at) if content.len() > at => {
                let _ = client.write_all(&answer).and_then(|()| client.write_all(&content[..at]));
                break;
            }
            _ => {}
        }
        if client.write_all(&answer).is_err() || !pass(&mut client, &content, fault) {
            break;
        }
    }
    let (_, _) = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
}

fn pass(to: &mut TcpStream, bytes: &[u8], fault: Fault) -> bool {
    let Fault::Slow(rate) = fault else { return to.write_all(bytes).is_ok() };
    for piece in bytes.chunks((rate / 20).max(1)) {
        if to.write_all(piece).is_err() {
            return false;
        }
        thread::sleep(Duration::from_millis(50));
    }
    true
}

/// The head of a request or an answer, and what of its body came with it.
fn head(from: &mut TcpStream) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 1 << 14];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            // Some clients ask before they send a body; the answer to that is not what is waited for.
            return Some((bytes, rest));
        }
        match from.read(&mut buffer) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}

fn length(head: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let line = text.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    line.trim().parse().ok()
}

fn fill(from: &mut TcpStream, bytes: &mut Vec<u8>, wanted: usize, fault: Fault) -> bool {
    let mut buffer = vec![0; 1 << 16];
    while bytes.len() < wanted {
        let most = match fault {
            Fault::Slow(rate) => (rate / 20).clamp(1, buffer.len()),
            _ => buffer.len(),
        };
        match from.read(&mut buffer[..most]) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
            _ => return false,
        }
        if matches!(fault, Fault::Slow(_)) {
            thread::sleep(Duration::from_millis(50));
        }
    }
    true
}
