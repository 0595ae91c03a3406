// A container's web server: `web-server.js PORT PAGE` answers every request with the page, on both families.

import { createServer } from 'node:http'

const [port, page] = process.argv.slice(2)
createServer((_, response) => response.end(page)).listen(Number(port), '::', () => console.log('ready'))
