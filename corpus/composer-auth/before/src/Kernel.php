<?php
final class Kernel {}
