"""`scripts/compile_constraints.py`: what is kept of the resolver's answer."""

from compile_constraints import pins


def test_pins_are_the_lines_of_packages():
    assert pins("# made by\n-e file:///x\na==1\n    # via b\nb-c==2.0 ; python_version < '4'\n./x\n") == [
        "a==1",
        "b-c==2.0 ; python_version < '4'",
    ]
