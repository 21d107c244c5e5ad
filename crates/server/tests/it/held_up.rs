//! A way to a server on which everything can be held up: what passes is the server's own, only later.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// No answer of a server on this machine takes longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// A datagram is no larger.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Decides for many ways at once. A cheap handle.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    shared: Arc<(Mutex<Option<Duration>>, Condvar)>,
}

impl Gate {
    /// What comes from now on is held up for so long; with `None` nothing is, and what was goes on at once.
    pub(crate) fn hold(&self, time: Option<Duration>) {
        let (held, changed) = &*self.shared;
        *held.lock().unwrap() = time;
        changed.notify_all();
    }

    fn wait(&self) {
        let (held, changed) = &*self.shared;
        let held = held.lock().unwrap();
        if let Some(time) = *held {
            let _ = changed.wait_timeout_while(held, time, |held| held.is_some());
        }
    }
}

/// Connections to this port of loopback by way of another, which is given back; each is held up once, at its beginning.
pub(crate) fn tcp_way(to: u16, gate: &Gate) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let gate = gate.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let gate = gate.clone();
            std::thread::spawn(move || {
                gate.wait();
                let _ = join(&client, to);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    port
}

fn join(client: &TcpStream, to: u16) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", to))?;
    let (from, into) = (client.try_clone()?, server.try_clone()?);
    let asking = std::thread::spawn(move || pass(from, into));
    pass(server, client.try_clone()?);
    let _ = client.shutdown(Shutdown::Both);
    let _ = asking.join();
    Ok(())
}

fn pass(mut from: TcpStream, mut into: TcpStream) {
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        if into.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    let _ = into.shutdown(Shutdown::Write);
}

/// The same for datagrams: each question is held up.
pub(crate) fn udp_way(to: u16, gate: &Gate) -> u16 {
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
    let port = socket.local_addr().unwrap().port();
    let gate = gate.clone();
    std::thread::spawn(move || {
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        while let Ok((count, client)) = socket.recv_from(&mut datagram) {
            let (question, gate, socket) = (datagram[..count].to_vec(), gate.clone(), socket.clone());
            std::thread::spawn(move || {
                gate.wait();
                if let Some(answer) = ask(&question, to) {
                    let _ = socket.send_to(&answer, client);
                }
            });
        }
    });
    port
}

fn ask(question: &[u8], to: u16) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    socket.set_read_timeout(Some(ANSWER_TIMEOUT)).ok()?;
    socket.send_to(question, ("127.0.0.1", to)).ok()?;
    let mut answer = vec![0; DATAGRAM_BYTES_MAX];
    let count = socket.recv(&mut answer).ok()?;
    answer.truncate(count);
    Some(answer)
}
