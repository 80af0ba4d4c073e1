//! Routes that take their time.

use std::time::Duration;

use hyper::{
    Response, StatusCode,
    body::{Bytes, Incoming},
};
use tokio::time::sleep;

use super::{Answer, Refusal, call::Call, data::octets, echo, status};
use crate::body::{self, Body};

/// The longest `/delay`, in seconds.
const LONGEST: f64 = 10.0;

pub(super) async fn delay(call: &Call<'_>, seconds: &str, body: Incoming) -> Answer {
    let seconds = seconds
        .parse::<f64>()
        .map_err(|_| Refusal::bad(format!("`{seconds}` is no number of seconds")))?;
    if seconds > LONGEST {
        return Err(Refusal::bad(format!(
            "{seconds} s are too long a delay; {LONGEST} s at most"
        )));
    }
    let delay = duration("the delay", seconds)?;
    let body = body::read(body).await?;
    sleep(delay).await;
    echo::told_with_body(call, &body, echo::Json::LeftOut)
}

/// The largest `/drip`, in bytes.
const LARGEST: usize = 10 << 20;

pub(super) async fn drip(call: &Call<'_>) -> Answer {
    let over = duration("`duration`", call.number("duration", 2.0)?)?;
    let delay = duration("`delay`", call.number("delay", 0.0)?)?;
    let bytes = call.number("numbytes", 10_usize)?.min(LARGEST);
    let code = status::code(call.query.get("code").unwrap_or("200"))?;
    if bytes == 0 {
        return Err(Refusal::bad("`numbytes` is 0; at least one byte drips"));
    }
    sleep(delay).await;

    // A byte at a time, but not faster than the timer's millisecond: then several at once.
    let moments = over.as_millis().clamp(1, bytes as u128) as usize;
    let at_once = bytes.div_ceil(moments);
    let pause = over.mul_f64(at_once as f64 / bytes as f64);
    let drops = (0..bytes).step_by(at_once);
    let drops = drops.map(move |sent| Bytes::from(vec![b'*'; at_once.min(bytes - sent)]));
    let body = Body::paced(bytes as u64, Duration::ZERO, pause, drops);
    let mut response: Response<Body> = octets(body);
    *response.status_mut() = code;
    Ok(response)
}

/// Seconds as a duration, if they are one.
pub(super) fn duration(what: &str, seconds: f64) -> Result<Duration, Refusal> {
    // Far beyond any use, and far below where adding it to a moment overflows.
    const LONGEST: f64 = 1e9;
    if !(0.0..=LONGEST).contains(&seconds) {
        let text = format!("{what} is {seconds} s, which is no time to wait");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
    }
    Ok(Duration::from_secs_f64(seconds))
}
