// A Node application in small. Prints "ok NAME" or "not ok NAME: why". Usage: node node_client.js HOST PORT DB USER
const { Client, Pool } = require('pg');

const [host, port, database, user] = process.argv.slice(2);
const where = { host, port: Number(port), database, user, ssl: false };

async function check(name, run) {
    try {
        if (!(await run())) throw new Error('unexpected answer');
        console.log(`ok ${name}`);
    } catch (error) {
        console.log(`not ok ${name}: ${error.message}`);
        process.exitCode = 1;
    }
}

async function main() {
    const client = new Client(where);
    await client.connect();
    await check('simple query', async () => (await client.query('SELECT id FROM items')).rows.length === 1000);
    await check('parameters', async () =>
        (await client.query('SELECT name FROM items WHERE id = $1', [5])).rows[0].name === 'item 5');
    await check('prepared', async () => {
        for (let i = 1; i <= 20; i++) {
            const found = await client.query({ name: 'one', text: 'SELECT id, note FROM items WHERE id = $1', values: [i] });
            if (found.rows[0].id !== i) return false;
        }
        return true;
    });
    await check('error', async () =>
        client.query('SELECT nothing_there').then(() => false, (error) => error.code === '42703'));
    await check('transaction', async () => {
        await client.query('BEGIN');
        await client.query('UPDATE items SET note = $1 WHERE id = $2', ['gone', 1]);
        await client.query('ROLLBACK');
        return (await client.query('SELECT note FROM items WHERE id = 1')).rows[0].note !== 'gone';
    });
    await check('notification', async () => {
        const heard = new Promise((resolve) => client.once('notification', resolve));
        await client.query('LISTEN bell');
        await client.query("NOTIFY bell, 'ding'");
        return (await heard).payload === 'ding';
    });
    await client.end();
    await check('pool', async () => {
        const pool = new Pool({ ...where, max: 5 });
        const found = await Promise.all(Array.from({ length: 50 }, (_, i) =>
            pool.query('SELECT price FROM items WHERE id = $1', [i + 1])));
        await pool.end();
        return found.every((one) => one.rows.length === 1);
    });
}

main();
