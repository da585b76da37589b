//! Lets gRPC's C core (and with it every Python client) talk over a Unix socket.
//!
//! It names the socket's path in `:authority`, with its slashes as `%2F`. An
//! agent written in Go takes that; the Rust `h2` library ends the stream with a
//! protocol error, as a percent sign is no part of a host name. So the sign is
//! replaced on its way in, by one byte for one byte: neither the frame's length
//! nor the header compression (RFC 7541) can tell.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEADER: usize = 9;
const HEADERS: u8 = 1;
const FLAG_PADDED: u8 = 0x08;
const FLAG_PRIORITY: u8 = 0x20;

/// A stream whose incoming `:authority` headers hold no percent sign.
pub(super) struct PlainAuthority<S> {
    stream: S,
    filter: Filter,
}

impl<S> PlainAuthority<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            filter: Filter::default(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PlainAuthority<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.filter.ready.is_empty() {
            let mut chunk = [0; 4096];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                // The end; an unfinished frame is of no use to anyone.
                return Poll::Ready(Ok(()));
            }
            self.filter.push(chunk.filled());
        }
        let length = self.filter.ready.len().min(out.remaining());
        out.put_slice(&self.filter.ready[..length]);
        self.filter.ready.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PlainAuthority<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Cuts the bytes of a connection into frames.
#[derive(Default)]
struct Filter {
    /// Bytes of a unit that is not whole yet.
    partial: BytesMut,
    /// Bytes that may go on.
    ready: BytesMut,
    preface_seen: bool,
}

impl Filter {
    fn push(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        while let Some(length) = self.unit() {
            let mut unit = self.partial.split_to(length);
            if self.preface_seen && unit[3] == HEADERS {
                plain_authority(&mut unit);
            }
            self.preface_seen = true;
            self.ready.unsplit(unit);
        }
    }

    /// The length of the next preface or frame, once it is whole.
    fn unit(&self) -> Option<usize> {
        let length = if self.preface_seen {
            let header = self.partial.get(..FRAME_HEADER)?;
            FRAME_HEADER
                + usize::from(header[0]) * 65536
                + usize::from(header[1]) * 256
                + usize::from(header[2])
        } else {
            PREFACE.len()
        };
        (self.partial.len() >= length).then_some(length)
    }
}

/// Replaces percent signs in the `:authority` of a HEADERS frame.
fn plain_authority(frame: &mut [u8]) {
    let flags = frame[4];
    let padding = usize::from(flags & FLAG_PADDED != 0);
    let priority = if flags & FLAG_PRIORITY != 0 { 5 } else { 0 };
    let Some(block) = frame.get_mut(FRAME_HEADER + padding + priority..) else {
        return;
    };
    if let Some(value) = authority(block) {
        let percent = block[value].iter_mut().filter(|byte| **byte == b'%');
        percent.for_each(|byte| *byte = b'-');
    }
}

/// Where the value of `:authority` lies, if the block has one in plain text.
fn authority(block: &[u8]) -> Option<Range<usize>> {
    let mut reader = Reader { block, at: 0 };
    loop {
        let first = *block.get(reader.at)?;
        if first & 0x80 != 0 {
            // An indexed field: name and value are in a table.
            reader.integer(7)?;
        } else if first & 0xe0 == 0x20 {
            // A change of the table's size.
            reader.integer(5)?;
        } else {
            // A literal, to be added to the table (a prefix of 6 bits) or not.
            let index = reader.integer(if first & 0x40 != 0 { 6 } else { 4 })?;
            let named = match index {
                0 => {
                    let (name, _) = reader.string()?;
                    &block[name] == b":authority"
                }
                // Its place in the static table.
                index => index == 1,
            };
            let (value, huffman) = reader.string()?;
            if named {
                return (!huffman).then_some(value);
            }
        }
    }
}

/// The primitive types of RFC 7541, section 5.
struct Reader<'a> {
    block: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn integer(&mut self, prefix_bits: u32) -> Option<usize> {
        let mask = (1 << prefix_bits) - 1;
        let mut value = usize::from(self.byte()?) & mask;
        if value < mask {
            return Some(value);
        }
        for shift in [0, 7, 14, 21] {
            let byte = usize::from(self.byte()?);
            value += (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// The place of a string, and whether it is Huffman-coded.
    fn string(&mut self) -> Option<(Range<usize>, bool)> {
        let huffman = self.block.get(self.at)? & 0x80 != 0;
        let length = self.integer(7)?;
        let range = self.at..self.at.checked_add(length)?;
        self.block.get(range.clone())?;
        self.at = range.end;
        Some((range, huffman))
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.block.get(self.at).copied();
        self.at += 1;
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, PREFACE};

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("short");
        [&[0, 0, length, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// As gRPC's C core writes it, after an indexed field.
    const BLOCK: &[u8] = b"\x83@\x0a:authority\x09tmp%2Fa.s@\x02te\x08trailers";
    const PLAIN: &[u8] = b"\x83@\x0a:authority\x09tmp-2Fa.s@\x02te\x08trailers";

    #[test]
    fn only_the_authority_changes_however_the_bytes_arrive() {
        let padded = |block: &[u8]| [b"\x03\0\0\0\0\x10", block, &[0; 3]].concat();
        let data = frame(0, 0, b"100%");
        let before = [
            PREFACE.to_vec(),
            frame(4, 0, b""),
            frame(1, 4, BLOCK),
            data.clone(),
            frame(1, 0x2c, &padded(BLOCK)),
        ];
        let after = [
            PREFACE.to_vec(),
            frame(4, 0, b""),
            frame(1, 4, PLAIN),
            data,
            frame(1, 0x2c, &padded(PLAIN)),
        ];
        let (before, after) = (before.concat(), after.concat());
        for size in [1, 2, 7, 40, before.len()] {
            let mut filter = Filter::default();
            before.chunks(size).for_each(|chunk| filter.push(chunk));
            assert_eq!(filter.ready, after, "in pieces of {size}");
        }
    }

    #[test]
    fn broken_blocks_pass_unchanged() {
        for block in [
            &BLOCK[..8],
            b"@\x0a:authority\xff\xff\xff\xff\xff\xff",
            b"\x41\x89%%",
            b"",
            b"\x7f",
        ] {
            let bytes = [PREFACE.to_vec(), frame(1, 4, block)].concat();
            let mut filter = Filter::default();
            filter.push(&bytes);
            assert_eq!(filter.ready, bytes);
        }
    }
}
