CREATE TABLE products (
    sku         text PRIMARY KEY CHECK (sku ~ '^[a-z0-9-]{2,40}$'),
    name        text NOT NULL,
    description text NOT NULL,
    price       integer NOT NULL CHECK (price > 0),  -- cents
    stock       integer NOT NULL CHECK (stock >= 0)
);

INSERT INTO products (sku, name, description, price, stock) VALUES
    ('compass',   'Brass compass',    'Liquid-filled, in gimbals, and right within one degree.',       8900, 100000),
    ('sextant',   'Sextant',          'For the day the satellites are quiet. Comes in a walnut box.', 42000, 100000),
    ('lantern',   'Storm lantern',    'Burns eleven hours in any weather.',                            4500, 100000),
    ('rope',      'Manila rope',      'Three strands, twenty metres, tarred ends.',                    2600, 100000),
    ('bell',      'Ship''s bell',     'Cast bronze. Heard across the harbour.',                       15500, 100000),
    ('spyglass',  'Spyglass',         'Three draws, twenty times, leather-bound.',                    11900, 100000);
