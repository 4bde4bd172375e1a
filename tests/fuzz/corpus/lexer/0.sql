SELECT 'it''s', E'a\'b', U&'x' -- c
