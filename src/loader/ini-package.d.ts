// The package `ini` ships no types. This is all of it that we use.
declare module 'ini' {
  export function parse(text: string): Record<string, unknown>
}
