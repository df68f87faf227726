// For each line, a text as hexadecimal UTF-16, prints as JSON what a reader of .env files made of it: the package in
// the folder that is given, or node's own (util.parseEnv).
const parse = process.argv[2] ? require(process.argv[2]).parse : require('util').parseEnv

require('readline').createInterface({ input: process.stdin }).on('line', (hex) => {
  const text = Buffer.from(hex, 'hex').swap16().toString('utf16le')
  console.log(JSON.stringify(parse(text)))
})
