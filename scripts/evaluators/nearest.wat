;; An example of an evaluator: protocol/README.md, "Evaluators", has the interface.
;;
;; Parameters are numbers of 64 bits, little-endian. The nearer they are to a point that the seed chooses, the higher the reward:
;; 1 / (1 + the squared distance). Risk is the largest magnitude among them, complexity how many there are. No parameters at all, or not a whole
;; number of numbers, trap, which is an error.
(module
  (memory (export "memory") 1)

  ;; The result is at 0, the input behind it. An input that does not fit the memory there is refused by whoever would write it.
  (func (export "alloc") (param $length i32) (result i32)
    (i32.const 24))

  (func (export "evaluate") (param $at i32) (param $length i32) (param $seed i32) (result i32)
    (local $end i32) (local $x f64) (local $distance f64) (local $largest f64) (local $count f64)
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    ;; The version is not looked at.
    (local.set $at
      (i32.add (local.get $at) (i32.add (i32.const 4) (call $big_endian (i32.load (local.get $at))))))
    (if (i32.rem_u (i32.sub (local.get $end) (local.get $at)) (i32.const 8)) (then (unreachable)))
    ;; Nothing at all is not near anything.
    (if (i32.eq (local.get $at) (local.get $end)) (then (unreachable)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        ;; The next coordinate of the point, from 0 to 1.
        (local.set $seed (i32.add (i32.mul (local.get $seed) (i32.const 1664525)) (i32.const 1013904223)))
        (local.set $x (f64.load (local.get $at)))
        (local.set $largest (f64.max (local.get $largest) (f64.abs (local.get $x))))
        (local.set $x
          (f64.sub (local.get $x) (f64.div (f64.convert_i32_u (local.get $seed)) (f64.const 4294967296))))
        (local.set $distance (f64.add (local.get $distance) (f64.mul (local.get $x) (local.get $x))))
        (local.set $count (f64.add (local.get $count) (f64.const 1)))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $next)))
    (f64.store (i32.const 0) (f64.div (f64.const 1) (f64.add (f64.const 1) (local.get $distance))))
    (f64.store (i32.const 8) (local.get $largest))
    (f64.store (i32.const 16) (local.get $count))
    (i32.const 0))

  (func $big_endian (param $word i32) (result i32)
    (i32.or
      (i32.rotl (i32.and (local.get $word) (i32.const 0x00ff00ff)) (i32.const 24))
      (i32.rotl (i32.and (local.get $word) (i32.const 0xff00ff00)) (i32.const 8)))))
