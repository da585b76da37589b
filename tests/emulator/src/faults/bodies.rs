//! Bodies that no client should swallow. All of them are blanks, which JSON
//! allows anywhere: a parser that reads along keeps waiting for more.

use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;

const CHUNK: usize = 16 << 10;
static BLANKS: [u8; CHUNK] = [b' '; CHUNK];

/// What the bomb unpacks to.
const BOMB_BYTES: usize = 200 << 20;

/// Long enough for the part before it to leave for the client.
const FLUSH: Duration = Duration::from_millis(20);

pub(super) fn endless() -> Body {
    Body::from_stream(stream::repeat_with(|| {
        Ok::<_, io::Error>(Bytes::from_static(&BLANKS))
    }))
}

pub(super) fn blanks(bytes: u64) -> Body {
    Body::from_stream(stream::unfold(bytes, |left| async move {
        let next = left.min(CHUNK as u64);
        let chunk = BLANKS.get(..usize::try_from(next).ok()?)?;
        (next > 0).then(|| (Ok::<_, io::Error>(Bytes::from_static(chunk)), left - next))
    }))
}

/// `part`, then a failure, on which the connection is closed.
pub(super) fn then_break(part: Bytes) -> Body {
    Body::from_stream(stream::unfold(Some(part), |part| async move {
        match part {
            Some(part) => Some((Ok(part), None)),
            None => {
                tokio::time::sleep(FLUSH).await;
                Some((Err(io::Error::other("an injected fault ends here")), None))
            }
        }
    }))
}

pub(super) fn byte_a_second(whole: Bytes) -> Body {
    Body::from_stream(stream::unfold((whole, 0), |(whole, at)| async move {
        let byte = whole.get(at..=at).map(|byte| whole.slice_ref(byte))?;
        if at > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Some((Ok::<_, io::Error>(byte), (whole, at + 1)))
    }))
}

/// Made once for the process: compressing takes a moment.
pub(super) fn gzip_bomb() -> Bytes {
    static BOMB: OnceLock<Bytes> = OnceLock::new();
    let bomb = BOMB.get_or_init(|| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        for _ in 0..BOMB_BYTES / CHUNK {
            encoder.write_all(&BLANKS).expect("writing to memory");
        }
        encoder.finish().expect("writing to memory").into()
    });
    bomb.clone()
}
