//! Puts one framework at the disposal of run.py: see judge.py for what it is asked.

mod with_token;

use std::error::Error;
use std::io::BufRead as _;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::responses::{CreateResponse, CreateResponseArgs};
use serde_json::{Value, json};
use svidex::{Config, Provider};

use crate::with_token::WithToken;

type Asker = Client<OpenAIConfig>;

fn client() -> Result<Asker, Box<dyn Error>> {
    let world: Value = serde_json::from_str(&std::env::var("SVIDEX_EMULATOR_INFO")?)?;
    let base = world["api_base_url_http"].as_str().unwrap_or_default();
    let redirect = reqwest::redirect::Policy::none();
    let service = WithToken {
        provider: Provider::from_env(Config::default())?,
        origin: base.parse()?,
        http: reqwest::Client::builder().redirect(redirect).build()?,
    };
    let config = OpenAIConfig::new().with_api_base(base).with_api_key("");
    Ok(Client::with_config(config).with_http_service(service))
}

async fn ask(client: &Asker) -> Result<String, OpenAIError> {
    let request: CreateResponse = CreateResponseArgs::default()
        .model("gpt-5-mini")
        .input("Who am I?")
        .build()?;
    let response = client.responses().create(request).await?;
    Ok(response.output_text().unwrap_or_default())
}

fn describe(error: &OpenAIError) -> Value {
    let mut causes: Vec<&(dyn Error + 'static)> = vec![error];
    if let OpenAIError::Boxed(inner) = error {
        causes.push(inner.as_ref());
    }
    let ours = causes.iter().any(|cause| cause.is::<svidex::Error>());
    json!({"error": "OpenAIError", "ours": ours, "message": error.to_string()})
}

#[tokio::main]
async fn main() {
    let mut current = None;
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let said = match (line.trim(), &current) {
            ("begin", _) => match client() {
                Ok(client) => {
                    current = Some(client);
                    json!({"answer": ""})
                }
                Err(error) => json!({"error": "begin", "message": error.to_string()}),
            },
            (_, Some(client)) => match ask(client).await {
                Ok(answer) => json!({"answer": answer}),
                Err(error) => describe(&error),
            },
            (_, None) => json!({"error": "nothing begun", "message": ""}),
        };
        println!("{said}");
    }
}
