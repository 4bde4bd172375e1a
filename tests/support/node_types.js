// An application that keeps types by their numbers, as old's catalog gives them. Prints the rows as JSON, a line a way of asking.
// Usage: node node_types.js HOST PORT DB USER SQL KEY, where SQL has $1
const { Client } = require('pg');

const [host, port, database, user, sql, key] = process.argv.slice(2);

async function main() {
    const client = new Client({ host, port: Number(port), database, user, ssl: false });
    await client.connect();
    const types = (await client.query(
        "SELECT oid, typarray, typname FROM pg_type WHERE typname IN ('mood', 'pair', 'hstore')")).rows;
    for (const type of types) {
        client.setTypeParser(type.oid, (text) => `${type.typname}: ${text}`);
        client.setTypeParser(type.typarray, (text) => `${type.typname}s: ${text}`);
    }
    const literal = client.escapeLiteral(key);
    const ways = [
        () => client.query(sql.replaceAll('$1', literal)),
        () => client.query(sql, [key]),
        () => client.query({ name: 'kept', text: sql, values: [key] }),
        () => client.query({ text: sql, values: [key], binary: true }),
    ];
    for (let round = 0; round < Number(process.env.ROUNDS || 1); round++)
        for (const way of ways) {
            await new Promise((pause) => setTimeout(pause, 20)); // new serves no read before the last one is followed
            const found = await way();
            console.log(JSON.stringify([found.fields.map((field) => [field.name, field.dataTypeID, field.dataTypeModifier,
                field.tableID, field.columnID]), found.rows]));
        }
    await client.end();
}

main().catch((error) => {
    console.log(error.message);
    process.exitCode = 1;
});
