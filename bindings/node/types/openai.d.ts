/** OpenAI's class, of whichever version: `OpenAI` as `openai` exports it. */
export type OpenAIClass = new (options?: any) => object;
/** What the SDK's class takes, without the credentials. */
export type OpenAIOptions<Base extends OpenAIClass> = Omit<NonNullable<ConstructorParameters<Base>[0]>, 'apiKey' | 'workloadIdentity' | 'provider'>;
