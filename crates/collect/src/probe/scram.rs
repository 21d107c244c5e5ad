//! SCRAM-SHA-256 (RFC 5802, 7677) without channel binding: the client's three lines, and the proof of the server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// More rounds than any server asks for; a hostile one must not keep us computing.
const ROUNDS_MAX: u32 = 100_000;

pub(super) struct Scram {
    password: String,
    first_bare: String,
    server_proof: Option<[u8; 32]>,
}

impl Scram {
    pub(super) fn new(password: &str, nonce: &str) -> Self {
        Scram {
            password: password.to_owned(),
            first_bare: format!("n=,r={nonce}"),
            server_proof: None,
        }
    }

    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    /// The answer to the server's salt.
    pub(super) fn next(&mut self, server_first: &str) -> Result<String, String> {
        let field = |name: char| {
            let found = server_first
                .split(',')
                .find_map(|f| f.strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| format!("SCRAM without {name}="))
        };
        let (nonce, salt, rounds) = (field('r')?, field('s')?, field('i')?);
        let ours = self.first_bare.strip_prefix("n=,r=").unwrap_or("");
        if !nonce.starts_with(ours) || nonce == ours {
            return Err("SCRAM with a nonce that is not ours".to_owned());
        }
        let salt = BASE64
            .decode(salt)
            .map_err(|_| "SCRAM with a salt that is not base64".to_owned())?;
        let rounds: u32 = rounds.parse().map_err(|_| "SCRAM without rounds".to_owned())?;
        if !(1..=ROUNDS_MAX).contains(&rounds) {
            return Err(format!("SCRAM with {rounds} rounds"));
        }
        let salted = salted(self.password.as_bytes(), &salt, rounds);
        let client_key = mac(&salted, b"Client Key");
        let stored: [u8; 32] = Sha256::digest(client_key).into();
        let without_proof = format!("c=biws,r={nonce}");
        let all = format!("{},{server_first},{without_proof}", self.first_bare);
        let signature = mac(&stored, all.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        self.server_proof = Some(mac(&mac(&salted, b"Server Key"), all.as_bytes()));
        Ok(format!("{without_proof},p={}", BASE64.encode(proof)))
    }

    /// Whether it is the server that knows the password, too.
    pub(super) fn is_server(&self, server_final: &str) -> bool {
        let said = server_final
            .strip_prefix("v=")
            .and_then(|v| BASE64.decode(v.trim()).ok());
        said.is_some_and(|v| self.server_proof.is_some_and(|p| v == p))
    }
}

fn mac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// PBKDF2 with one block.
fn salted(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 32] {
    let mut last = mac(password, &[salt, &[0, 0, 0, 1]].concat());
    let mut sum = last;
    for _ in 1..rounds {
        last = mac(password, &last);
        sum.iter_mut().zip(last).for_each(|(s, l)| *s ^= l);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, whose client names its user.
    #[test]
    fn the_example_of_the_rfc() {
        let mut scram = Scram::new("pencil", "rOprNGfwEbeRWgbNEkqO");
        scram.first_bare = "n=user,r=rOprNGfwEbeRWgbNEkqO".to_owned();
        let server = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        // The nonce is looked for behind an empty name; here it stands behind another.
        let said = scram.next(server).unwrap();
        assert_eq!(
            said,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert!(scram.is_server("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!scram.is_server("v=AAAA") && !scram.is_server(""));
    }

    #[test]
    fn a_hostile_server_is_refused() {
        for said in ["", "r=x,s=AA==,i=1", "r=abc1,s=!,i=1", "r=abc1,s=AA==,i=99999999"] {
            assert!(Scram::new("p", "abc").next(said).is_err(), "{said}");
        }
    }
}
