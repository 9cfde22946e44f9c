from studies import birds, birds_settings


def test_two_steps(few_birds, check_row):
    few_birds(birds)
    few_birds(birds_settings)
    for method, (mass, sharpness, number) in list(birds_settings.CELLS.items())[::5]:
        row = birds_settings.run(method, 100)
        check_row("birds_settings", method, row)
        assert (row["mass"], row["sharpness"], row["prototypes"]) == (mass, sharpness, number)


def test_the_map_has_all_cells_and_each_setting_reaches_the_pooling():
    assert len(birds_settings.CELLS) == 18
    for mass, sharpness, number in birds_settings.CELLS.values():
        pooling = birds.gsp(6, mass, sharpness, number)
        assert (pooling.mass, pooling.sharpness) == (mass, sharpness)
        assert pooling.prototypes.shape == (number, 6)
    assert birds.gsp(6, 0.3, 5.0).prototypes.shape == (64, 6)
